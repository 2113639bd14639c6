"""Proof on one's own data: the noise budget of a run (row G12), and what comes back of what was put in (row G13)."""
