"""Saturated pixels beside their limits, flags by name."""

import numpy as np
import pytest

from tsoar import flags
from tsoar.blocks import Ramps, Readout, Reference, Slopes
from tsoar.detector import SaturationParams, saturation
from tsoar.errors import ConfigError, InputError
from tsoar.reduce.inspect import flag_counts, saturated_table

READOUT = Readout("SUBSTRIP96", (6, 7), (1, 1803), 4, 2.2, 2.2)


def ramps(first=0):
    data = np.full((2, 4, 6, 7), 1000, np.float32)
    data[0, 2:, 1, 2] = 61000
    data[1, 3, 5, 6] = 52000
    return Ramps(data, np.zeros(data.shape, np.uint8), np.zeros((6, 7), np.uint32), READOUT, first)


LIMITS = Reference("saturation", np.full((6, 7), 50000, np.float32), None, READOUT.corner)


def test_values_stand_beside_their_limits():
    table = saturated_table(saturation(ramps(first=30), LIMITS, SaturationParams(grow=0)), LIMITS)
    assert table.tolist() == [(30, 1, 2, 2, 61000.0, 50000.0), (31, 5, 6, 3, 52000.0, 50000.0)]


def test_a_limit_of_ones_own():
    params = SaturationParams(grow=0, factor=0.01)
    table = saturated_table(saturation(ramps(), LIMITS, params), LIMITS, params.factor)
    assert len(table) == 2 * 6 * 7
    assert set(table["limit"].tolist()) == {500.0}


def test_neighbours_are_listed_below_their_limit():
    table = saturated_table(saturation(ramps(), LIMITS), LIMITS)
    first = table[table["integration"] == 0]
    assert len(first) == 9
    assert (first["value"] >= first["limit"]).sum() == 1


def test_nothing_saturated_is_an_empty_table():
    assert saturated_table(ramps(), LIMITS).shape == (0,)


def test_another_reference_is_refused():
    with pytest.raises(InputError, match="expected a saturation reference"):
        saturated_table(ramps(), Reference("mask", None, np.zeros((6, 7), np.uint32), READOUT.corner))


def test_flags_are_bits_and_combined_ones_count_for_each():
    block = ramps()
    block.pixeldq[0, :3] = flags.value("DEAD")
    block.pixeldq[0, 2:4] |= flags.value("HOT | DO_NOT_USE")
    assert flag_counts(block)["pixeldq"] == {"DO_NOT_USE": 2, "DEAD": 3, "HOT": 2}
    asked = flag_counts(block, "DEAD, HOT")
    assert asked["pixeldq"] == {"DEAD": 3, "HOT": 2, "any of these": 4, "all of these": 1}
    assert asked["groupdq"] == {"DEAD": 0, "HOT": 0, "any of these": 0, "all of these": 0}
    assert flag_counts(block, "DEAD")["pixeldq"] == {"DEAD": 3}


def test_flags_of_slopes():
    plane = np.zeros((2, 6, 7), np.float32)
    dq = np.zeros((2, 6, 7), np.uint32)
    dq[1, 0, 0] = flags.REFERENCE_PIXEL | flags.DO_NOT_USE
    slopes = Slopes(plane, plane, plane, plane, dq, READOUT)
    assert flag_counts(slopes) == {"dq": {"DO_NOT_USE": 1, "REFERENCE_PIXEL": 1}}


def test_a_misspelt_flag_is_refused():
    with pytest.raises(ConfigError, match="did you mean SATURATED"):
        flag_counts(ramps(), "SATURTED")
