"""A star with three orders on a sky with a step, made from the packaged tables (no noise)."""

import numpy as np

from tsoar.blocks import Readout
from tsoar.soss.background import sky_template
from tsoar.soss.profiles import profile_images
from tsoar.soss.subarrays import SUBARRAYS, row_offset
from tsoar.soss.tables import of_order
from tsoar.soss.traces import expected_traces, published_traces
from tsoar.soss.wavelength import column_wavelengths

ANGLE = 245.79


def readout(subarray="SUBSTRIP256", pwcpos=ANGLE):
    s = SUBARRAYS[subarray]
    return Readout(subarray, s.shape, s.corner, 6, s.tframe, s.tframe, pwcpos=pwcpos)


def star(r, pwcpos=None, rows=0.0):
    """(3, y, x) WASP-39 [DN/s] at the read-out's wheel angle (or another), moved up by ``rows``; and fluxes (3, x)."""
    angle = r.pwcpos if pwcpos is None else pwcpos
    x = np.arange(2048)
    flux = np.zeros((3, 2048))
    for o in (1, 2, 3):
        known = of_order("soss_counts", o)
        flux[o - 1] = np.interp(x, known["x"], known["wasp39"], right=0)
    traces = published_traces(angle) - row_offset(r.subarray) + rows
    models = profile_images(traces, column_wavelengths(angle), r.shape)
    return models * flux[:, None, :].astype(np.float32), flux


def sky(r, left=0.9, right=0.8):
    """(y, x) the template with a scale on each side of the step, and column 714 between them."""
    both = sky_template(r)
    both[:, :714] *= left
    both[:, 714:] *= right
    return both.astype(np.float32)


def traces(r):
    return expected_traces(r)
