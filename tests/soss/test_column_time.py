"""When columns are read, against the header's frame time."""

import numpy as np
import pytest

from tsoar.blocks import Readout
from tsoar.soss.subarrays import SUBARRAYS, column_time


@pytest.mark.parametrize("name", ["SUBSTRIP256", "SUBSTRIP96"])
def test_columns_are_read_from_right_to_left(name):
    sub = SUBARRAYS[name]
    when = column_time(Readout(name, sub.shape, sub.corner, 4, sub.tframe, sub.tframe))
    assert when.shape == (2048,)
    assert (np.diff(when) < 0).all()
    assert np.ptp(when) == pytest.approx(sub.tframe, rel=2e-3)
    assert abs(when.mean()) < 2e-3 * sub.tframe
