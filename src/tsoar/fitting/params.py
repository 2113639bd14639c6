"""What is fitted, and what is held."""

from __future__ import annotations

from dataclasses import dataclass

from tsoar.params import Annotated, Ge, Gt, Interval, Literal, Unit, doc
from tsoar.units import TIME_LONG_NAME

Geometry = Literal["t0", "period", "a_over_r", "inclination"]
Regressor = Literal["auto", "shift", "width"]
MOTION: tuple[Literal["shift", "width"], ...] = ("shift", "width")
"""Trace motion that may be in the baseline."""


@dataclass(frozen=True, slots=True)
class FitParams:
    """The planet's spectrum (`tsoar fit`): orbit, limb darkening, baseline and noise of the fits.

    What is not given of the orbit comes from the table of planets (`tsoar.fitting.planets`). Limb darkening "smooth" lets
    u1 and u2 follow one polynomial of 1 / wavelength for all bins of both orders, fitted with all of them at once; its
    uncertainty is in the depths' errors.
    """

    planet: Annotated[str, doc("name in the table of planets; empty: the header's target")] = ""
    event: Annotated[Literal["transit", "eclipse"], doc("what is fitted")] = "transit"
    t0: Annotated[float, Ge(0), Unit("d"), doc(f"middle of the event ({TIME_LONG_NAME}) to start from; 0: found")] = 0.0
    period: Annotated[
        float | None, Ge(0), Unit("d"), doc("of the orbit; 0: scaled so that a/R* and inclination give the duration seen")
    ] = None
    a_over_r: Annotated[float | None, Gt(1), doc("semi-major axis in stellar radii")] = None
    inclination: Annotated[float | None, Interval(ge=0, le=90), Unit("deg"), doc("of the orbit")] = None
    radius_ratio: Annotated[
        float | None, Interval(gt=0, lt=1), doc("Rp/R*: where a transit's depth starts, the shape of an eclipse's ingress")
    ] = None
    eccentricity: Annotated[float | None, Interval(ge=0, lt=1), doc("of the orbit")] = None
    omega: Annotated[float | None, Unit("deg"), doc("argument of periastron")] = None
    free: Annotated[
        tuple[Geometry, ...],
        doc("fitted to the white light, then held: t0, period, a_over_r, inclination (period = 0 frees it by itself)"),
    ] = ("t0",)
    limb_darkening: Annotated[
        str, doc("smooth: one curve of wavelength; free: each bin its own; fixed: u1, u2; or an ECSV file: wavelength, u1, u2")
    ] = "smooth"
    u1: Annotated[float | None, doc("quadratic limb darkening, where it is fixed")] = None
    u2: Annotated[float | None, doc("the same, second coefficient")] = None
    limb_degree: Annotated[int, Interval(ge=0, le=8), doc("of the smooth curve, in 1 / wavelength")] = 3
    limb_width: Annotated[
        float, Gt(0), doc("free: u1, u2 of a bin lie this close (sigma) to the smooth curve; inf: anywhere")
    ] = 0.1
    baseline: Annotated[int, Interval(ge=0, le=5), doc("order of the polynomial in time")] = 1
    settle: Annotated[
        float | None,
        Ge(0),
        Unit("min"),
        doc(
            "time scale of an exponential settling from the first integration on; 0: none; not given: chosen with regress auto"
        ),
    ] = None
    regress: Annotated[
        tuple[Regressor, ...],
        doc("trace motion in the baseline: shift, width; auto: these and a settling where white light asks for them (BIC)"),
    ] = ("auto",)
    dispersion: Annotated[
        Literal["auto", "off"],
        doc("auto: spectra are moved back along dispersion where their lines show that the star moved; off: taken as they are"),
    ] = "auto"
    jitter: Annotated[bool, doc("scatter beyond the claimed errors is added to them, where chance does not explain it")] = True
    clip: Annotated[float, Gt(0), Unit("sigma"), doc("values further off the model are left out; inf: none")] = 5.0
    live_points: Annotated[int, Ge(50), doc("of the nested sampling (--sample)")] = 300
