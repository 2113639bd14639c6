"""Figures from products: each function takes arrays, datasets or tables and returns a matplotlib Figure.

No pyplot, no global settings, nothing computed that is not a product already. `CAPTIONS` says by the function's name what
a figure shows, what to look for and what would be wrong.
"""

from tsoar.plots.background import background, one_over_f_masks
from tsoar.plots.captions import CAPTIONS
from tsoar.plots.centroids import centroids, centroids_on_image, start_profiles, trace_splines
from tsoar.plots.clock import clock_psd, clocking
from tsoar.plots.curves import light_curves, outliers, spectra_closeup
from tsoar.plots.detector import group_differences, saturated, slope_image
from tsoar.plots.dq import dq_map, jump_map, jump_sweep, special_pixels
from tsoar.plots.fit import fit_corner, fit_residuals, fit_spectrum, fit_white_light
from tsoar.plots.frames import before_after, column_profile, groups, saturation_reference, wavelength_map
from tsoar.plots.planet import recovered_spectrum
from tsoar.plots.proof import (
    budget,
    budget_claimed,
    budget_correlation,
    budget_steps,
    injection_drift,
    injection_spectrum,
)
from tsoar.plots.ramps import linearity_check, ramp
from tsoar.plots.series import rms_binning, white_light, white_psd
from tsoar.plots.spectra import light_curve_image, sensitivity, spectra
from tsoar.plots.study import study_part, study_ranking
from tsoar.plots.traces import apertures, trace_motion, traces_on_image

__all__ = [
    "CAPTIONS",
    "apertures",
    "background",
    "before_after",
    "budget",
    "budget_claimed",
    "budget_correlation",
    "budget_steps",
    "centroids",
    "centroids_on_image",
    "clock_psd",
    "clocking",
    "column_profile",
    "dq_map",
    "fit_corner",
    "fit_residuals",
    "fit_spectrum",
    "fit_white_light",
    "group_differences",
    "groups",
    "injection_drift",
    "injection_spectrum",
    "jump_map",
    "jump_sweep",
    "light_curve_image",
    "light_curves",
    "linearity_check",
    "one_over_f_masks",
    "outliers",
    "ramp",
    "recovered_spectrum",
    "rms_binning",
    "saturated",
    "saturation_reference",
    "sensitivity",
    "slope_image",
    "special_pixels",
    "spectra",
    "spectra_closeup",
    "start_profiles",
    "study_part",
    "study_ranking",
    "trace_motion",
    "trace_splines",
    "traces_on_image",
    "wavelength_map",
    "white_light",
    "white_psd",
]
