"""Results in the formats of other programs, and whom to cite."""
