"""Orbits of planets that SOSS has observed, with their sources (planets.ecsv); everything can be overridden."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import resources
from typing import Any

from tsoar.errors import ConfigError
from tsoar.fitting.params import FitParams


@dataclass(frozen=True, slots=True)
class Planet:
    """What is known of an orbit before the fit; NaN where nothing is."""

    name: str
    t0: float
    """a mid-transit time, BJD_TDB - 2400000.5 [d]"""
    period: float
    """[d]; 0: to be scaled"""
    a_over_r: float
    inclination: float
    """[deg]"""
    radius_ratio: float
    eccentricity: float
    omega: float
    """[deg]"""
    source: str


def known_planets() -> dict[str, Planet]:
    """The table, by name."""
    from astropy.table import Table

    table = Table.read((resources.files("tsoar.fitting") / "planets.ecsv").read_text("utf-8"), format="ascii.ecsv")
    numbers = ("t0", "period", "a_over_r", "inclination", "radius_ratio", "eccentricity", "omega")
    rows: list[dict[str, Any]] = [{n: float(r[n]) for n in numbers} | {k: str(r[k]) for k in ("name", "source")} for r in table]
    return {row["name"]: Planet(**row) for row in rows}


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def find_planet(name: str, target: str) -> Planet | None:
    """The planet called ``name``, or that of a ``target`` of an exposure's header; None when the target has none here.

    Raises
    ------
    ConfigError
        For a ``name`` that is not in the table.
    """
    planets = known_planets()
    by_plain = {_plain(n): p for n, p in planets.items()}
    if not name:
        wanted = _plain(target)
        return by_plain.get(wanted) or by_plain.get(wanted + "b")
    found = by_plain.get(_plain(name)) or by_plain.get(_plain(name) + "b")
    if found is None:
        near = get_close_matches(_plain(name), by_plain, 1)
        hint = f"; did you mean {by_plain[near[0]].name}?" if near else ""
        raise ConfigError(
            f"planet {name!r}: not in the table, which has {', '.join(planets)}{hint} "
            "(or give --set fit.period=, fit.a_over_r=, fit.inclination= without --planet)"
        )
    return found


def settle(params: FitParams, target: str) -> Planet:
    """The orbit to start from: the table's, with what the settings give over it.

    Raises
    ------
    ConfigError
        When period, a/R* or inclination come from neither.
    """
    found = find_planet(params.planet, target)
    nan = math.nan
    planet = found or Planet(target or "unnamed", nan, nan, nan, nan, nan, 0.0, 90.0, "settings")
    names = ("period", "a_over_r", "inclination", "radius_ratio", "eccentricity", "omega")
    given: dict[str, Any] = {n: float(v) for n in names if (v := getattr(params, n)) is not None}
    planet = replace(planet, **given) if given else planet
    missing = [n for n in ("period", "a_over_r", "inclination") if not math.isfinite(getattr(planet, n))]
    if missing:
        raise ConfigError(
            f"orbit of {target or 'an unnamed target'}: not in the table of planets; give --planet (one of "
            f"{', '.join(known_planets())}) or {' '.join(f'--set fit.{n}=' for n in missing)}"
        )
    if params.event == "eclipse" and not math.isfinite(planet.radius_ratio):
        raise ConfigError("an eclipse needs the planet's size: give --set fit.radius_ratio=")
    return planet
