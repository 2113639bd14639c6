"""Figures from products: each function takes arrays, datasets or tables and returns a matplotlib Figure.

No pyplot, no global settings, nothing computed that is not a product already. `CAPTIONS` says by the function's name what
a figure shows, what to look for and what would be wrong.
"""

from tsoar.plots.captions import CAPTIONS
from tsoar.plots.detector import group_differences, saturated, slope_image
from tsoar.plots.fit import fit_corner, fit_residuals, fit_spectrum, fit_white_light
from tsoar.plots.planet import recovered_spectrum
from tsoar.plots.series import rms_binning, white_light, white_psd
from tsoar.plots.spectra import light_curve_image, sensitivity, spectra
from tsoar.plots.study import study_part, study_ranking
from tsoar.plots.traces import apertures, trace_motion, traces_on_image

__all__ = [
    "CAPTIONS",
    "apertures",
    "fit_corner",
    "fit_residuals",
    "fit_spectrum",
    "fit_white_light",
    "group_differences",
    "light_curve_image",
    "recovered_spectrum",
    "rms_binning",
    "saturated",
    "sensitivity",
    "slope_image",
    "spectra",
    "study_part",
    "study_ranking",
    "trace_motion",
    "traces_on_image",
    "white_light",
    "white_psd",
]
