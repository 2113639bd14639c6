"""Exposures whose truth is known, from the instrument's numbers alone; no code is shared with what they test.

made = tsoar.simulate(tsoar.sim.scenario(target="wasp-43"), "exposure")
"""

from tsoar.sim.scenario import Scenario, scenario, targets
from tsoar.sim.simulate import Simulated, simulate

__all__ = ["Scenario", "Simulated", "scenario", "simulate", "targets"]
