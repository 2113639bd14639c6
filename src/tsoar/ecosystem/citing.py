"""`tsoar.cite`: the papers and programs to cite for exactly what a run did, read from its run.json and its fit.

References stand in references.toml, one table each; here is only what calls for which.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import tsoar
from tsoar.errors import InputError
from tsoar.io import datasets

JOURNALS = {
    "PASP": r"\pasp",
    "MNRAS": r"\mnras",
    "A&A": r"\aap",
    "ApJ": r"\apj",
    "ApJS": r"\apjs",
    "PSJ": r"\psj",
    "Nature": r"\nat",
}
"""the field's macros (AASTeX); others are written out"""
SHAPE = ("a_over_r", "inclination")
PLANETS: dict[str, dict[str, tuple[str, ...]]] = {
    "WASP-43 b": {"ivshina2022": ("period",), "bell2024": SHAPE},
    "WASP-39 b": {"feinstein2023": ("period", *SHAPE)},
    "WASP-18 b": {"deline2025": ("period", *SHAPE)},
    "TRAPPIST-1 b": {"agol2021": ("period", *SHAPE)},
}
"""which numbers of an orbit in the table of planets (`tsoar.fitting.planets`) come from where"""
WORDS = {"period": "period", "a_over_r": "a/R*", "inclination": "inclination"}
PACKAGES = ("numpy", "scipy", "numba", "astropy", "xarray", "matplotlib")
FIELD = {"two_point_file": "jump detection", "ols_file": "ramp fitting"}
"""methods that repeat the field's pipeline to the bit"""


@dataclass(frozen=True)
class Citation:
    """A reference and what it is cited for."""

    key: str
    why: str
    fields: dict[str, Any]

    def text(self) -> str:
        """One line: authors, year, title, where."""
        f = self.fields
        where = ", ".join(str(f[k]) for k in ("journal", "booktitle", "institution", "publisher", "volume", "pages") if k in f)
        year = f" ({f['year']})" if "year" in f else ""
        return " ".join(part for part in (f"{f['short']}{year}. {f['title']}.", f"{where}." if where else "", link(f)) if part)

    def brief(self) -> str:
        """As in running text: authors and year."""
        authors = re.sub(r"\(.*\)|[{}]", "", self.fields["short"]).split(", ")
        surnames = [a.removeprefix("& ") for a in authors if not re.fullmatch(r"(&? ?([A-Z]\.[ -]?)+)|&? ?et al\.", a)]
        many = len(surnames) > 2 or "et al." in self.fields["short"]
        who = f"{surnames[0]} et al." if many else " & ".join(surnames)
        return f"{who} {self.fields['year']}" if "year" in self.fields else who

    def bibtex(self) -> str:
        """A BibTeX entry."""
        f = self.fields
        out: dict[str, Any] = {
            k: f[k] for k in ("author", "title", "journal", "booktitle", "institution", "publisher", "year") if k in f
        }
        out["title"] = "{" + escaped(str(f["title"])) + "}"
        for k in ("booktitle", "institution", "publisher"):
            if k in out:
                out[k] = escaped(str(out[k]))
        if "journal" in f:
            out["journal"] = JOURNALS.get(f["journal"], escaped(f["journal"]))
        out |= {k: f[k] for k in ("volume", "pages", "version", "doi", "url") if k in f}
        if "eprint" in f:
            out |= {"archivePrefix": "arXiv", "eprint": f["eprint"]}
        lines = [f"  {k} = {{{v}}}" for k, v in out.items()]
        return f"% {self.why}\n@{f['type']}{{{self.key},\n" + ",\n".join(lines) + "\n}"


@dataclass(frozen=True)
class Citations:
    """What `cite` found."""

    papers: tuple[Citation, ...]
    software: tuple[Citation, ...]
    notes: tuple[str, ...]
    """what has no reference of its own: reference files, sources of an orbit"""

    def text(self) -> str:
        """As text, with what each is cited for."""
        parts = []
        for title, group in (("Papers", self.papers), ("Software", self.software)):
            parts.append(
                "\n".join([title, *(line for c in group for line in (wrapped(f"{c.why}:", ""), wrapped(c.text(), "    ")))])
            )
        if self.notes:
            parts.append("\n".join(["To be named besides", *(wrapped(n, "") for n in self.notes)]))
        return "\n\n".join(parts)

    def brief(self) -> str:
        """The papers in one line."""
        return ", ".join(dict.fromkeys(c.brief() for c in self.papers))

    def bibtex(self) -> str:
        """As BibTeX, with what has no entry as comments."""
        entries = [c.bibtex() for c in (*self.papers, *self.software)]
        return "\n\n".join(entries + [f"% {n}" for n in self.notes]) + "\n"


def cite(run: Any) -> Citations:
    """Papers and software to cite for a run, and for its fit where one was made.

    Parameters
    ----------
    run : what `tsoar.run` returned, or the folder of a run.

    Raises
    ------
    InputError
        For a folder without run.json.
    """
    folder = Path(getattr(run, "out", run))
    record = datasets.read_json(folder / "run.json")
    if not isinstance(record.get("config"), dict) or not isinstance(record.get("steps"), list):
        raise InputError(f"{folder / 'run.json'}: holds no 'config' and 'steps'; expected the folder of a finished run")
    fitted = folder / "diagnostics" / "fit.json"
    fit = datasets.read_json(fitted) if fitted.exists() else None
    papers = [*reduction(record), *(fit_papers(fit) if fit else [])]
    return Citations(collected(papers), collected(software(record, fit)), tuple(notes(record, fit)))


def reduction(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Keys and reasons of the papers behind the steps that were run."""
    config, steps = record["config"], record["steps"]
    out = [
        ("albert2023", "the observing mode, NIRISS/SOSS"),
        ("doyon2023", "the instrument, NIRISS"),
        ("baines2023a", "positions of the traces by pupil-wheel angle (PASTASOSS)"),
        ("baines2023b", "wavelengths by pupil-wheel angle (PASTASOSS)"),
    ]
    if "jump" in steps and value(config, "jump.method", "").startswith("two_point"):
        out.append(("anderson2011", "two-point-difference jump detection"))
    if "ramp_fit" in steps:
        method = value(config, "ramp_fit.method", "")
        if method == "gls":
            out.append(("brandt2024", "slopes by generalised least squares on group differences"))
        elif method.startswith("ols"):
            out.append(("fixsen2000", "slopes by optimally weighted line fits"))
    if "extract" in steps and value(config, "extract.method", "box") == "optimal":
        out.append(("horne1986", "profile-weighted extraction"))
    if "extract" in steps and record.get("options", {}).get("baseline") is None:
        out.append(("kovacs2002", "the event found in white light by a box search"))
        out.append(("pont2006", "its significance with correlated noise"))
    if "extract" in steps:
        out.append(("transitspectroscopy", "centroids of the traces" + (", outliers of spectra" if "clean" in steps else "")))
    return out


def fit_papers(fit: dict[str, Any]) -> list[tuple[str, str]]:
    """The same for the planet's spectrum."""
    event = str(fit.get("event", "transit"))
    out = [("kreidberg2015", f"{event} models (batman)")]
    white = fit.get("white_light", {})
    if event == "transit" and any(name.startswith("q") for name in white):
        out.append(("kipping2013", "limb darkening fitted as q1, q2"))
    if "posterior" in fit:
        out.append(("speagle2020", "posterior by nested sampling (dynesty)"))
    taken = from_table(fit)
    for key, numbers in PLANETS.get(str(fit.get("planet")), {}).items():
        if used := [WORDS[name] for name in numbers if name in taken]:
            out.append((key, f"{', '.join(used)} of {fit['planet']}"))
    return out


def from_table(fit: dict[str, Any]) -> set[str]:
    """What of the orbit was not given, so that it comes from the table of planets."""
    settings = fit.get("settings", {})
    return {name for name in WORDS if fit.get("source") and settings.get(name) is None}


def software(record: dict[str, Any], fit: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Programs."""
    config, steps, versions = record["config"], record["steps"], record.get("versions", {})
    out = [("tsoar", f"the reduction{' and the fit' if fit else ''}, version {record.get('tsoar', tsoar.__version__)}")]
    field = [what for name, what in FIELD.items() if name in repr(config.get(what_step(name))) and what_step(name) in steps]
    if field:
        out += [("jwst", f"{' and '.join(field)} after its algorithm"), ("stcal", f"{' and '.join(field)} after its algorithm")]
    if record.get("kind") != "uncal":
        out.append(("jwst", f"the {record.get('kind')} files the reduction started from, if it made them"))
    if observatory(record):
        out.append(("crds", "reference files"))
    return out + [(name, f"{name} {versions[name]}") for name in PACKAGES if name in versions]


def what_step(method: str) -> str:
    """The step a field's method belongs to."""
    return "jump" if method == "two_point_file" else "ramp_fit"


def observatory(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Reference files that are the observatory's, not a simulator's (ours signs its own)."""
    files = record.get("references", [])
    made = [r for r in files if "SIMUL" in str(r.get("pedigree", "")).upper() or str(r.get("author", "")).startswith("tsoar")]
    return [r for r in files if r not in made]


def notes(record: dict[str, Any], fit: dict[str, Any] | None) -> list[str]:
    """What to name in the text: reference files, source of an orbit."""
    out = []
    files = [str(r.get("file")) for r in record.get("references", [])]
    if files:
        simulated = "" if observatory(record) else " (of a simulation)"
        out.append(f"reference files{simulated}: {', '.join(files)}")
    if fit and from_table(fit):
        out.append(f"orbit of {fit.get('planet')}: {fit['source']}")
    out.append(f"settings {record.get('settings', 'unknown')}, in run.json")
    return out


def value(config: dict[str, Any], path: str, default: str) -> str:
    """A setting of an earlier run, by dotted path."""
    for part in path.split("."):
        if not isinstance(config, dict) or part not in config:
            return default
        config = config[part]
    return str(config)


def collected(asked: Iterable[tuple[str, str]]) -> tuple[Citation, ...]:
    """Each reference once, with all it is cited for."""
    reasons: dict[str, list[str]] = {}
    for key, why in asked:
        reasons.setdefault(key, []).append(why)
    return tuple(Citation(key, "; ".join(whys), references()[key]) for key, whys in reasons.items())


@cache
def references() -> dict[str, dict[str, Any]]:
    """All references by key."""
    text = resources.files("tsoar.ecosystem").joinpath("references.toml").read_text("utf-8")
    own = {
        "type": "software",
        "author": "{tsoar developers}",
        "short": "tsoar developers",
        "title": "tsoar: JWST NIRISS/SOSS time series from raw reads to light curves",
        "version": tsoar.__version__,
    }
    return {"tsoar": own} | tomllib.loads(text)


def wrapped(text: str, indent: str) -> str:
    """Text in lines of a terminal's width, set in; addresses stay whole."""
    first = "  " + indent
    return textwrap.fill(
        text, 110, initial_indent=first, subsequent_indent=first + "  ", break_long_words=False, break_on_hyphens=False
    )


def escaped(text: str) -> str:
    """Text as LaTeX takes it.

    >>> escaped("A & B")
    'A \\\\& B'
    """
    return "".join("\\" + c if c in "&%$#_" else c for c in text)


def link(fields: dict[str, Any]) -> str:
    """Where to find it."""
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return str(fields.get("url", ""))
