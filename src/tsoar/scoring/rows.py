"""Rows of numbers and the score they make: as a dictionary, as plain text, as a markdown table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = (
    "slopes: bias, bright (>100 DN/s)",
    "slopes: bias, faint (<10 DN/s)",
    "slopes: chi2/dof, bright (>100 DN/s)",
    "slopes: chi2/dof, faint (<10 DN/s)",
    "jumps: found, 3-6 sigma",
    "jumps: found, 6-10 sigma",
    "jumps: found, above 10 sigma",
    "jumps: false flags",
    "traces: order 1: rms",
    "traces: order 2, columns 1000-1700: rms",
    "traces: order 1: motion, rms error",
    "wavelength: order 1: rms",
    "wavelength: time, largest error",
    "spectra: order 1: flux over light in the box",
    "spectra: order 2: flux over light in the box",
    "sensitivity: order 1",
    "sensitivity: order 2",
    "scatter: order 1: over the limit of the box",
    "scatter: order 2: over the limit of the box",
    "white light: order 1: RMS",
    "white light: order 1: RMS over limit",
    "white light: order 2: RMS",
    "white light: order 2: RMS over limit",
    "planet: order 1: bias",
    "planet: order 1: chi2/N",
    "planet: order 2: bias",
    "planet: order 2: chi2/N",
    "planet: order 1, white light: mid-event depth, error",
    "planet: order 2, white light: mid-event depth, error",
    "planet: bands: largest error in its own sigmas",
)
"""What a README shows: "section: name"."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    Attributes
    ----------
    section, name : where it stands.
    value : the number; None where it cannot be had (``note`` says why).
    unit : "" for a ratio.
    perfect : what a perfect reduction would give, e.g. "1 +- 0.02".
    note : on what it rests: how many pixels, columns, hits.
    """

    section: str
    name: str
    value: float | None
    unit: str
    perfect: str
    note: str = ""

    @property
    def label(self) -> str:
        """Section and name, as tables show them."""
        return f"{self.section}: {self.name}"

    @property
    def text(self) -> str:
        """Value with its unit, four digits; a dash where there is none."""
        return "-" if self.value is None else f"{short(self.value)} {self.unit}".rstrip()


def short(value: float, digits: int = 4) -> str:
    """A number as people write it: so many digits, but never fewer than stand before the point.

    >>> short(26010.7), short(0.012345), short(1.0)
    ('26011', '0.01234', '1')
    """
    if abs(value) < 1e-9:  # rounding of the machine
        return "0"
    return f"{value:.0f}" if abs(value) >= 10.0 ** (digits - 1) else f"{value:.{digits}g}"


def row(section: str, name: str, value: float, unit: str, perfect: str, note: str = "") -> Row:
    """A `Row`; what is not finite becomes None, so that JSON can hold it."""
    number = float(value)
    return Row(section, name, number if math.isfinite(number) else None, unit, perfect, note)


@dataclass(frozen=True, slots=True)
class Score:
    """All rows in order, and the products that were not there.

    Attributes
    ----------
    rows : numbers in the order of the reduction.
    missing : a sentence for each product or truth that a section would have needed.
    spectrum : the planet's, recovered and injected (`tsoar.scoring.planet.spectrum`); None where there is none.
    """

    rows: list[Row]
    missing: list[str]
    spectrum: NDArray[np.void] | None = None

    def __getitem__(self, label: str) -> Row:
        """The row with this label ("section: name")."""
        for one in self.rows:
            if one.label == label:
                return one
        raise KeyError(label)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: sections -> name -> value, unit, perfect, note; and ``missing``."""
        sections: dict[str, Any] = {}
        for one in self.rows:
            entry = {"value": one.value, "unit": one.unit, "perfect": one.perfect, "note": one.note}
            sections.setdefault(one.section, {})[one.name] = entry
        bins = {} if self.spectrum is None else {n: self.spectrum[n].tolist() for n in self.spectrum.dtype.names or ()}
        return {"sections": sections, "spectrum": bins, "missing": list(self.missing)}

    def chosen(self, names: Iterable[str] | None) -> list[Row]:
        """Rows with these labels ("section: name"), in the order asked for; labels that are not there are passed over.
        None: all rows.
        """
        if names is None:
            return list(self.rows)
        found = {one.label: one for one in self.rows}
        return [found[name] for name in names if name in found]

    def lines(self, names: Iterable[str] | None = None) -> list[str]:
        """The table's lines: what, value, perfect, note; then what was left out. ``names`` as for `chosen`."""
        cells = [("what", "value", "perfect", "")]
        cells += [(one.label, one.text, one.perfect, one.note) for one in self.chosen(names)]
        widths = [max(len(cell[k]) for cell in cells) for k in range(3)]
        lines = [
            f"{what:<{widths[0]}}  {value:>{widths[1]}}  {perfect:<{widths[2]}}  {note}".rstrip()
            for what, value, perfect, note in cells
        ]
        return lines + [f"left out: {text}" for text in self.missing]

    def table(self, names: Iterable[str] | None = None) -> str:
        """`lines` as one text."""
        return "\n".join(self.lines(names))

    def markdown(self, names: Iterable[str] | None = None) -> str:
        """A markdown table of selected rows.

        Parameters
        ----------
        names : as for `chosen`, but None means `KEY`.
        """
        chosen = self.chosen(KEY if names is None else names)
        lines = ["| what | value | perfect |", "|---|---:|---|"]
        lines += [f"| {escape(one.label)} | {escape(one.text)} | {escape(one.perfect)} |" for one in chosen]
        return "\n".join(lines)


def escape(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")
