"""Scenarios and what is drawn from them, made once."""

from dataclasses import replace

import pytest

from tsoar.sim.exposure import prepare
from tsoar.sim.parameters import Scenario, scenario

SMALL = {"exposure.subarray": "SUBSTRIP96", "exposure.nints": 3, "exposure.ngroups": 4}


def quiet(s: Scenario, **detector) -> Scenario:
    """Nothing odd and no noise but what is asked for."""
    silent = dict(read_noise=0.0, one_over_f=0.0, ktc=0.0, pedestal=0.0, odd_even=0.0, photon_noise=False, nonlinearity=0.0)
    names = ("dead", "low_qe", "hot", "warm", "telegraph", "unstable", "no_lin_corr")
    return replace(
        s,
        detector=replace(s.detector, **(silent | detector)),
        bad_pixels=replace(s.bad_pixels, **dict.fromkeys(names, 0.0)),
        cosmic_rays=replace(s.cosmic_rays, rate=0.0),
    )


@pytest.fixture(scope="session")
def wasp43():
    """The default exposure of 24 integrations, prepared."""
    return prepare(scenario(values={"exposure.nints": 24}))


@pytest.fixture(scope="session")
def small():
    return scenario(values=SMALL)
