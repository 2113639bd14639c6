"""Exposures whose truth is known, from the instrument's numbers alone; no code is shared with what they test.

made = tsoar.simulate(tsoar.scenario(target="wasp-43"), "exposure")
"""

from tsoar.sim.exposure import Simulated, simulate
from tsoar.sim.parameters import Scenario, scenario, targets

__all__ = ["Scenario", "Simulated", "scenario", "simulate", "targets"]
