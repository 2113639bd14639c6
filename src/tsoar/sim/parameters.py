"""What a simulated exposure is made of: every number a setting, with unit and source.

Sources: [JDox] the NIRISS pages of the JWST user documentation; [jwst-mtl] the SOSS team's time-series simulator
(njcuk9999/jwst-mtl); [CRDS] reference files; [mirage] its SOSS simulator; [W39] the median image of WASP-39 (ERS 1366),
[BD60] the image of BD+60 1753 (PID 1512); [assumed] a choice where no source was found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from tsoar.errors import ConfigError
from tsoar.params import Annotated, Ge, Gt, Interval, Le, Literal, Unit, doc
from tsoar.settings import Schema, digest, to_dict

Fraction = Annotated[float, Interval(ge=0, le=1)]
Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ExposureParams:
    """Size, time and wheel angle of the exposure."""

    nints: Annotated[int, Ge(1), doc("integrations")] = 120
    ngroups: Annotated[int, Ge(1), doc("groups (reads) of an integration")] = 6
    subarray: Annotated[Literal["SUBSTRIP256", "SUBSTRIP96"], doc("part of the detector that is read")] = "SUBSTRIP256"
    segments: Annotated[int, Ge(1), doc("files the exposure is cut into, between integrations")] = 2
    pwcpos: Annotated[
        float,
        Interval(ge=245.5, le=246.0),
        Unit("deg"),
        doc("angle of the pupil wheel; real ones lie within 0.17 of 245.76 [jwst]"),
    ] = 245.79
    start: Annotated[float, Interval(ge=59000, le=80000), Unit("d"), doc("start of the exposure, MJD (UTC)")] = 60634.25
    program: Annotated[int, Interval(ge=1, le=99999), doc("number of the program, for headers and file names")] = 8888


@dataclass(frozen=True, slots=True)
class StarParams:
    """The target: a spectrum, scaled to its J magnitude, through the instrument's flux calibration."""

    name: Annotated[str, doc("of the target, for headers")] = "WASP-43"
    ra: Annotated[float, Interval(ge=0, lt=360), Unit("deg"), doc("right ascension, ICRS")] = 154.90812
    dec: Annotated[float, Interval(ge=-90, le=90), Unit("deg"), doc("declination, ICRS")] = -9.80644
    jmag: Annotated[float, Interval(ge=-2, le=20), Unit("mag"), doc("2MASS J; WASP-43: 9.995 [2MASS]")] = 9.995
    spectrum: Annotated[
        str,
        doc("blackbody, wasp-43 (model), wasp-39 (its SOSS image), or a file: wavelength [um], flux per wavelength (any unit)"),
    ] = "wasp-43"
    temperature: Annotated[float, Interval(ge=1000, le=50000), Unit("K"), doc("of the black body; WASP-43: 4520")] = 4520.0
    trend: Annotated[float, Unit("ppm / h"), doc("linear trend of the flux")] = 0.0
    settling: Annotated[float, Unit("ppm"), doc("excess at the start, dying out in 5 min [Feinstein et al. 2023]")] = 0.0


@dataclass(frozen=True, slots=True)
class PlanetParams:
    """The event: a batman light curve (Kreidberg 2015) per wavelength."""

    event: Annotated[Literal["transit", "eclipse", "none"], doc("what happens")] = "transit"
    period: Annotated[float, Gt(0), Unit("d"), doc("orbital period; WASP-43 b: Ivshina & Winn 2022")] = 0.813474037
    a_over_r: Annotated[float, Gt(1), doc("semi-major axis in stellar radii")] = 4.859
    inclination: Annotated[float, Interval(ge=0, le=90), Unit("deg"), doc("of the orbit")] = 82.106
    eccentricity: Annotated[float, Interval(ge=0, lt=1), doc("of the orbit")] = 0.0
    omega: Annotated[float, Unit("deg"), doc("argument of periastron")] = 90.0
    depth: Annotated[float, Interval(ge=0, lt=0.25), doc("(Rp/Rs)^2, before bands")] = 0.02509
    dayside: Annotated[
        float, Interval(ge=100, le=10000), Unit("K"), doc("of the planet, for an eclipse: Fp/Fs as two black bodies")
    ] = 1700.0
    bands: Annotated[
        tuple[Point, ...],
        doc("absorption on top of it: [centre um, width um (Gauss sigma), depth], ...; water's places, invented strengths"),
    ] = ((0.94, 0.03, 1.5e-4), (1.14, 0.04, 2.0e-4), (1.38, 0.06, 3.5e-4), (1.87, 0.08, 4.0e-4), (2.7, 0.15, 5.0e-4))
    table: Annotated[str, doc("instead of both: wasp-39b, or a file: wavelength [um], depth [1]; empty: none")] = ""
    limb_blue: Annotated[tuple[float, float], doc("quadratic limb darkening u1, u2 at 0.6 um [assumed]")] = (0.55, 0.12)
    limb_red: Annotated[tuple[float, float], doc("the same at 2.8 um, linear in 1/wavelength between [assumed]")] = (0.12, 0.14)
    mid: Annotated[Fraction, doc("middle of the event, as a fraction of the exposure")] = 0.5
    share: Annotated[
        float, Interval(gt=0, lt=1), doc("an event longer than this fraction of the exposure is shortened by a shorter period")
    ] = 0.45
    spot: Annotated[
        float, Ge(0), doc("star spot crossed after mid-transit: height of the bump at 1 um in units of the depth")
    ] = 0.0
    spot_width: Annotated[float, Gt(0), doc("its Gauss sigma as a fraction of the event")] = 0.04


@dataclass(frozen=True, slots=True)
class SkyParams:
    """Light that is not the star's."""

    scale: Annotated[float, Ge(0), doc("times the sky template, 4.7 DN/s left of its step; 0.885 [W39], 0.60 [BD60]")] = 0.885
    field: Annotated[
        tuple[Point, ...], doc("zeroth orders of field stars: [column px, row px, DN/s], ...; rows of SUBSTRIP256")
    ] = ()
    field_fwhm: Annotated[
        tuple[float, float], Unit("px"), doc("size along columns and rows; 4-9 x 19-24 [W39 through F277W]")
    ] = (6.0, 21.0)


@dataclass(frozen=True, slots=True)
class MotionParams:
    """How the trace moves on the detector."""

    drift_y: Annotated[float, Unit("px"), doc("slow drift across dispersion, end to end")] = 0.01
    drift_x: Annotated[float, Unit("px"), doc("the same along dispersion")] = 0.005
    jitter: Annotated[float, Ge(0), Unit("px"), doc("rms of the motion from one integration to the next")] = 0.002
    tilt_at: Annotated[int, Ge(-1), doc("integration at which a mirror segment tilts; -1: never")] = -1
    tilt_shift: Annotated[float, Unit("px"), doc("step of the trace then [assumed]")] = 0.02
    tilt_width: Annotated[float, doc("step of the profile's width, as a fraction [assumed]")] = 0.002
    tilt_flux: Annotated[float, doc("step of the flux, as a fraction; 1e-4 .. 1e-3 seen in WASP-18 b's visit")] = -5e-4


@dataclass(frozen=True, slots=True)
class DetectorParams:
    """The H2RG and its electronics."""

    gain: Annotated[float, Gt(0), Unit("e- / DN"), doc("in flight 1.60-1.62 [CRDS]")] = 1.61
    read_noise: Annotated[float, Ge(0), Unit("e-"), doc("white noise of one read; 10.37 DN between two reads [CRDS]")] = 11.7
    read_noise_spread: Annotated[float, Ge(0), doc("pixel to pixel, as a fraction [CRDS]")] = 0.035
    one_over_f: Annotated[
        float, Ge(0), Unit("DN"), doc("A of the power spectrum A^2/f along the clock, one-sided: 12.2 e- rms in 33 s [BD60]")
    ] = 2.0
    ktc: Annotated[float, Ge(0), Unit("e-"), doc("reset noise [awesimsoss]")] = 29.0
    pedestal: Annotated[float, Ge(0), Unit("e-"), doc("level of a whole read, from read to read [jwst-mtl]")] = 18.3
    odd_even: Annotated[float, Ge(0), Unit("e-"), doc("difference of odd and even rows, from read to read [jwst-mtl]")] = 2.0
    reference_noise: Annotated[Fraction, doc("white noise of reference pixels over that of the others [jwst-mtl]")] = 0.8
    bias: Annotated[float, Interval(ge=0, le=60000), Unit("DN"), doc("median level [CRDS superbias_0111]")] = 12320.0
    bias_odd_even: Annotated[float, Unit("DN"), doc("odd rows above even ones [same]")] = 1860.0
    bias_rows: Annotated[float, Ge(0), Unit("DN"), doc("rms from row to row [same]")] = 800.0
    bias_blotches: Annotated[float, Ge(0), Unit("DN"), doc("rms of smooth blotches [same]")] = 1600.0
    bias_pixels: Annotated[float, Ge(0), Unit("DN"), doc("rms from pixel to pixel [same]")] = 1220.0
    full_well: Annotated[float, Gt(0), Unit("DN"), doc("above bias, where the signal is cut off; 72,000 e- [JDox]")] = 45000.0
    saturation: Annotated[Fraction, doc("of the full well, at which the saturation reference flags [assumed]")] = 0.95
    nonlinearity: Annotated[
        float, Ge(0), Le(4e-6), Unit("1 / DN"), doc("measured = x (1 - a x): a; 5 % at 45,000 DN [assumed]")
    ] = 1.1e-6
    nonlinearity_spread: Annotated[float, Ge(0), Le(0.3), doc("of a from pixel to pixel [assumed]")] = 0.1
    dark: Annotated[float, Ge(0), Unit("e- / s"), doc("dark current [jwst-mtl]")] = 0.041
    photon_noise: Annotated[bool, doc("Poisson statistics of photons and dark current; else their mean")] = True
    ipc: Annotated[bool, doc("interpixel capacitance: 0.47 % to the sides, 0.40 and 0.50 % down and up [amigo]")] = False


@dataclass(frozen=True, slots=True)
class BadPixelParams:
    """Pixels that do not behave; counts are fractions of all pixels."""

    dead: Annotated[Fraction, doc("no response [W39]")] = 0.0022
    low_qe: Annotated[Fraction, doc("response of 20 to 80 % [assumed]")] = 0.0003
    hot: Annotated[Fraction, doc("dark current of 0.5 to 100 e-/s [W39]")] = 0.0004
    warm: Annotated[Fraction, doc("dark current of 0.1 to 0.5 e-/s [assumed]")] = 0.003
    telegraph: Annotated[Fraction, doc("two levels [assumed]")] = 0.001
    telegraph_size: Annotated[float, Ge(0), Unit("e-"), doc("median distance of the levels [assumed]")] = 120.0
    telegraph_switch: Annotated[Fraction, doc("chance to switch between two reads [assumed]")] = 0.1
    unstable: Annotated[Fraction, doc("read noise 3 to 10 times the usual [CRDS readnoise, its tail]")] = 0.0005
    no_lin_corr: Annotated[Fraction, doc("good pixels without linearity correction [CRDS linearity_0011]")] = 0.0019
    unflagged: Annotated[Fraction, doc("share of the bad ones that the mask does not know [assumed]")] = 0.05


@dataclass(frozen=True, slots=True)
class CosmicRayParams:
    """Hits: tracks through the sensitive layer, and snowballs."""

    rate: Annotated[float, Ge(0), Unit("1 / s / cm2"), doc("events [JDox, exposure time calculator]")] = 8.0
    charge: Annotated[float, Gt(0), Unit("e-"), doc("median of an event, log-normal [assumed]")] = 1500.0
    charge_width: Annotated[float, Ge(0), Unit("dex"), doc("so that 5 % leave more than 20,000 e- [assumed]")] = 0.68
    depth: Annotated[float, Gt(0), Unit("px"), doc("sensitive layer, 5 um in pixels of 18 um")] = 0.28
    diffusion: Annotated[float, Ge(0), Unit("px"), doc("spread of the charge on its way, Gauss sigma [assumed]")] = 0.15
    snowballs: Annotated[float, Ge(0), Unit("1 / s"), doc("on the whole detector; 0.05 roughly [JDox]")] = 0.0
    snowball_core: Annotated[float, Gt(0), Unit("px"), doc("median radius of the saturated core [assumed]")] = 4.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a simulated exposure is made of."""

    seed: Annotated[int, Ge(0), doc("of all that is drawn; the same seed gives the same bytes")] = 1
    exposure: ExposureParams = field(default_factory=ExposureParams)
    star: StarParams = field(default_factory=StarParams)
    planet: PlanetParams = field(default_factory=PlanetParams)
    sky: SkyParams = field(default_factory=SkyParams)
    motion: MotionParams = field(default_factory=MotionParams)
    detector: DetectorParams = field(default_factory=DetectorParams)
    bad_pixels: BadPixelParams = field(default_factory=BadPixelParams)
    cosmic_rays: CosmicRayParams = field(default_factory=CosmicRayParams)


SCHEMA = Schema(Scenario, "tsoar simulate --print-config")

__all__ = ["SCHEMA", "Scenario", "digest", "from_dict", "scenario", "targets", "template", "to_dict"]


def targets() -> dict[str, str]:
    """The stars and planets that come with the package, as TOML."""
    files = (resources.files("tsoar.sim") / "targets").iterdir()
    return {f.name.removesuffix(".toml"): f.read_text("utf-8") for f in sorted(files, key=lambda f: f.name)}


def scenario(
    path: str | Path | None = None,
    *,
    target: str = "wasp-43",
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
) -> Scenario:
    """What is to be simulated: a target, with a TOML file over it, and single settings over that.

    Parameters
    ----------
    path : TOML file; only what differs from the target need be there.
    target : "wasp-43", "wasp-39" or "wasp-96".
    overrides : "exposure.nints=20", ...: values as TOML, or as plain text when that is not TOML.
    values : settings by dotted path, {"exposure.nints": 20}; None is left out.

    Raises
    ------
    ConfigError
        Naming every problem at once: unknown target, files that cannot be read, keys that do not exist, values of the
        wrong type or out of range, settings that contradict each other.
    """
    known = targets()
    if target not in known:
        near = get_close_matches(target.lower(), known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"target {target!r} is not known: {hint}there is {', '.join(known)}; any other star: --config FILE")
    flat = SCHEMA.flatten(tomllib.loads(known[target]), target)
    if path is not None:
        flat |= SCHEMA.flatten(SCHEMA.read_toml(Path(path)), str(path))
    for text in overrides:
        flat |= SCHEMA.flatten(SCHEMA.override(text), f"--set {text}")
    flat |= {key: value for key, value in (values or {}).items() if value is not None}
    built = SCHEMA.build(flat)
    contradictions(built)
    return built


def from_dict(tree: Mapping[str, Any]) -> Scenario:
    """The scenario that `to_dict` gave; the same checks as for a file."""
    return SCHEMA.from_dict(tree)


def template(settings: Scenario) -> str:
    """All settings as commented TOML, ready to be edited."""
    return SCHEMA.template(settings, "A simulated exposure.")


def contradictions(s: Scenario) -> None:
    """Raise a ConfigError for settings that cannot hold together."""
    problems = []
    if s.exposure.segments > s.exposure.nints:
        problems.append(
            f"exposure.segments = {s.exposure.segments}: expected at most one per integration (nints = {s.exposure.nints})"
        )
    if s.motion.tilt_at >= s.exposure.nints:
        problems.append(f"motion.tilt_at = {s.motion.tilt_at}: expected an integration below nints = {s.exposure.nints}")
    p = s.planet
    if p.event == "transit" and _impact(p) >= 1:
        problems.append(f"planet: no transit at inclination {p.inclination} and a/Rs {p.a_over_r} (impact {_impact(p):.2f})")
    for name, u in (("limb_blue", p.limb_blue), ("limb_red", p.limb_red)):
        if min(u[0], 0) + u[1] < -1 or sum(u) > 1 or u[0] < 0:
            problems.append(
                f"planet.{name} = {list(u)}: expected u1 >= 0 and u1 + u2 <= 1, an intensity that is nowhere negative"
            )
    if any(width <= 0 for _, width, _ in p.bands):
        problems.append("planet.bands: expected widths > 0 um")
    fractions = sum(
        getattr(s.bad_pixels, name) for name in ("dead", "low_qe", "hot", "warm", "telegraph", "unstable", "no_lin_corr")
    )
    if fractions > 0.5:
        problems.append(f"bad_pixels: {100 * fractions:.0f} % of all pixels are bad; expected at most half")
    if problems:
        raise ConfigError("; ".join(problems))


def _impact(p: PlanetParams) -> float:
    from math import cos, radians, sin

    e, w = p.eccentricity, radians(p.omega)
    return p.a_over_r * cos(radians(p.inclination)) * (1 - e * e) / (1 + e * sin(w))
