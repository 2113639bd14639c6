"""The order in which a reduction is looked at: stops, what happens there, which numbers and figures belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Stop:
    """One section of the report."""

    anchor: str
    title: str
    lead: str
    """what happens here, in a sentence"""
    numbers: tuple[str, ...] = ()
    """numbers of diagnostics.json that belong here: their names begin with one of these"""
    step: str = ""
    """step of the plan that may have been left out"""


TOUR = (
    Stop("dq", "Data quality", "The mask reference says which pixels are known to be bad.", ("pixels not used",), "dq_init"),
    Stop("saturation", "Saturation", "Reads above the reference's limit are left out, and all that follow them.",
         ("saturated",), "saturation"),
    Stop("superbias", "Superbias", "The level of every pixel right after the reset is taken off.", step="superbias"),
    Stop("refpix", "Reference pixels", "What the pixels without light show is taken off every read.", step="refpix"),
    Stop("linearity", "Linearity", "Counts are made proportional to light.", step="linearity"),
    Stop("dark", "Dark current", "The dark reference is taken off, group by group.", step="dark_current"),
    Stop("one_over_f", "1/f noise", "One offset per column and read is measured beside the star and taken off.",
         ("noise of dark rows",), "one_over_f"),
    Stop("jumps", "Cosmic rays", "Steps in a ramp that neither star nor noise make are flagged and fitted around.",
         ("reads flagged as jumps",), "jump"),
    Stop("slopes", "Slopes", "Ramps become slopes, with weights by photon and read noise.", step="ramp_fit"),
    Stop("wavelengths", "Wavelengths", "Every pixel's wavelength, for the pupil wheel's angle.", ("wheel angle",)),
    Stop("traces", "Traces", "Where each order lies, measured on the deep image.", ("trace of order",)),
    Stop("motion", "Motion", "How far the traces move and widen from integration to integration.",
         ("trace motion", "integrations with a change of width"), "motion"),
    Stop("background", "Background", "The sky is a template with a step, scaled on either side of it.", ("sky",)),
    Stop("extraction", "Extraction", "Slopes are summed in a box that follows the trace.", ("columns of order",), "extract"),
    Stop("spectra", "Spectra", "The sums by wavelength, and what was replaced in them.", ("outliers replaced",)),
    Stop("light_curves", "Light curves", "Every column over its level outside the event."),
    Stop("sensitivity", "Sensitivity", "Scatter outside the event over the claimed error: 1 means that the errors hold.",
         ("sensitivity",)),
    Stop("white_light", "White light", "All columns of an order added up.", ("white light", "integrations outside")),
    Stop("psd", "Power spectrum", "Periods and drifts in the white light outside the event."),
    Stop("binning", "Scatter against bin size", "Whether averaging helps as it does for white noise."),
)  # fmt: skip

SUMMARY = (
    "sensitivity, order 1",
    "sensitivity, order 2",
    "white light, order 1: scatter",
    "white light, order 1: scatter over claimed",
    "white light, order 2: scatter",
    "white light, order 2: scatter over claimed",
    "integrations outside the event",
    "trace motion, order 1, rms",
    "columns of order 1 valid",
    "outliers replaced in spectra",
    "reads flagged as jumps",
    "saturated reads",
    "pixels not used",
)
"""Numbers that are shown first; so is every number that is not good."""


def stop_of(number: str) -> str:
    """Anchor of the stop a number belongs to, '' for none.

    >>> stop_of("sensitivity, order 1"), stop_of("age of the star")
    ('sensitivity', '')
    """
    return next((stop.anchor for stop in TOUR if number.startswith(stop.numbers or ("\0",))), "")


def numbers_at(anchor: str, numbers: Mapping[str, Any]) -> list[str]:
    """Names of the numbers that belong to a stop, in their order."""
    return [name for name in numbers if stop_of(name) == anchor]


def summary_of(numbers: Mapping[str, Any]) -> list[str]:
    """Names of the numbers shown first: the key ones, then all others that call for a look; all of them if none is known."""
    chosen = [name for name in SUMMARY if name in numbers]
    chosen += [name for name, n in numbers.items() if name not in chosen and n.get("verdict") in ("bad", "look here")]
    chosen += [name for name in numbers if name not in chosen and not stop_of(name)]
    return chosen


def left_out(stop: Stop, steps: Iterable[str]) -> bool:
    """Whether the stop's step is not among those of the run."""
    return bool(stop.step) and stop.step not in set(steps)
