"""What the numbers of a study say, in words. Every sentence is made from the table and says no more than it holds.

A difference counts when it is three of its errors; a noise ratio, besides, when it is half a per cent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from scipy.special import erfc

from tsoar.studies.grid import Grid, Part

SURE = 3.0
"""errors that make a difference count"""
MATTERS = 0.005
"""of a noise ratio that is worth a word"""


@dataclass(frozen=True, slots=True)
class Answer:
    """To the question of one part."""

    part: str
    question: str
    sentences: list[str]


@dataclass(frozen=True, slots=True)
class View:
    """One part's rows, by the label that the part gives them."""

    part: Part
    table: Table
    groups: int
    pixels: float

    def row(self, label: str) -> int | None:
        """Row of a label; None when the part has no such setting."""
        return next((m.setting for m in self.part.members if m.label == label), None)

    def value(self, row: int, name: str) -> float:
        """A number; NaN where there is none."""
        return float(self.table[name].data[row]) if name in self.table.colnames else math.nan

    def name(self, row: int) -> str:
        """What the part calls it."""
        return next((m.label for m in self.part.members if m.setting == row), str(self.table["setting"][row]))

    @property
    def rows(self) -> list[int]:
        """All settings of the part."""
        return [m.setting for m in self.part.members]


def answer_all(grid: Grid, table: Table, groups: int, pixels: float) -> list[Answer]:
    """One answer for each part of the study, in its order."""
    out = []
    for part in grid.parts:
        view = View(part, table, groups, pixels)
        known = KNOWN.get(part.name)
        said = known(view) if known is not None else []
        out.append(Answer(part.name, part.question or part.title, [s for s in (said or anything(view)) if s]))
    return out


# -- phrases --------------------------------------------------------------------------------------------------------------


def percent(ratio: float) -> str:
    """How a ratio differs from 1.

    >>> percent(1.234), percent(0.9), percent(1.0001)
    ('23 % more', '10 % less', 'the same')
    """
    if not math.isfinite(ratio):
        return "not measured"
    if round(1e3 * abs(ratio - 1)) < 1:
        return "the same"
    size = f"{100 * abs(ratio - 1):.2g}" if abs(ratio - 1) < 1 else f"{100 * (ratio - 1):.0f}"
    return f"{size} % {'more' if ratio > 1 else 'less'}"


def measured(value: float, error: float, unit: str = "ppm", sign: bool = True) -> str:
    """A number with its error, to the error's two figures.

    >>> measured(12.345, 1.2), measured(-0.04, 0.3)
    ('+12.3 +- 1.2 ppm', '-0.04 +- 0.30 ppm')
    """
    if not (math.isfinite(value) and math.isfinite(error)):
        return "not measured"
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 1
    return f"{value:{'+' if sign else ''}.{digits}f} +- {error:.{digits}f} {unit}".rstrip()


def noise_of(view: View, row: int) -> str:
    """Noise of the bins as a ratio with its error."""
    return measured(view.value(row, "noise"), view.value(row, "noise_err"), "", sign=False)


def sure(value: float, error: float) -> bool:
    """Whether a change is more than chance."""
    return bool(math.isfinite(value) and abs(value) > SURE * error and value != 0)


def noise_counts(view: View, row: int) -> bool:
    """Whether the noise differs from the reference's."""
    ratio, error = view.value(row, "noise"), view.value(row, "noise_err")
    return sure(ratio - 1, error) and abs(ratio - 1) >= MATTERS


def depth_words(view: View, row: int, order: int = 1) -> str:
    """How white light's depth changes, and whether that counts."""
    change, error = view.value(row, f"change_{order}"), view.value(row, f"change_err_{order}")
    if not math.isfinite(change):
        return "depth not measured"
    how = "more than chance" if sure(change, error) else "within chance"
    return f"order {order}'s depth changes by {measured(change, error)} ({how})"


def listed(words: Sequence[str]) -> str:
    """Words as people list them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def moved(view: View, rows: Sequence[int], most: int = 4) -> str:
    """The settings that change a depth by more than chance, furthest first."""
    if not np.isfinite([view.value(k, "change_1") for k in rows]).any():
        return ""
    far = [k for k in rows if sure(view.value(k, "change_1"), view.value(k, "change_err_1"))]
    if not far:
        return "No setting changes the depth of order 1's white light by more than chance."
    far.sort(key=lambda k: -abs(view.value(k, "change_1")))
    words = [f"{view.name(k)} ({measured(view.value(k, 'change_1'), view.value(k, 'change_err_1'))})" for k in far[:most]]
    more = f", and {len(far) - most} more" if len(far) > most else ""
    return f"The depth of order 1's white light changes by more than chance with {listed(words)}{more}."


# -- the exercises of the tutorial ------------------------------------------------------------------------------------------


def one_over_f(view: View) -> list[str]:
    """5.2.1 and 5.5.1: groups against slopes."""
    out = []
    for method, words in (
        ("against the deep stack", "Held against the deep stack"),
        ("medians beside the traces", "As medians beside the traces"),
        ("medians of whole columns", "As medians of whole columns (the tutorial's way)"),
    ):
        group, slope = view.row(f"1/f on groups, {method}"), view.row(f"1/f on slopes, {method}")
        if group is None or slope is None:
            continue
        white = [view.value(k, "white_rms_1") for k in (group, slope)]
        limit = [view.value(k, "white_over_limit_1") for k in (group, slope)]
        noise = [view.value(k, "noise") for k in (group, slope)]
        claims = [view.value(k, "sensitivity_1") for k in (group, slope)]
        out.append(
            f"{words}: white light of order 1 scatters {white[0]:.0f} ppm corrected on groups and {white[1]:.0f} ppm corrected on "
            f"slopes ({limit[0]:.2f} and {limit[1]:.2f} times photon and read noise), bins of the spectrum "
            f"{noise[0]:.3f} and {noise[1]:.3f} times the reference, scatter over claimed error {claims[0]:.3f} and "
            f"{claims[1]:.3f}; on slopes {depth_words(view, slope)}."
        )
    none = view.row("1/f not corrected")
    if none is not None:
        out.append(
            f"Not corrected at all, a column of order 1 scatters {view.value(none, 'over_limit_1'):.2f} times photon and read "
            f"noise, white light {view.value(none, 'white_rms_1'):.0f} ppm, bins {noise_of(view, none)} times the reference."
        )
    choices = [k for k in view.rows if math.isfinite(view.value(k, "noise"))]
    if out and choices:
        best = min(choices, key=lambda k: view.value(k, "noise"))
        others = [k for k in choices if k != best and not noise_counts_between(view, best, k)]
        tie = f"; not to be told from it: {listed([view.name(k) for k in others])}" if others else ""
        out.append(f"Least noise in the bins: {view.name(best)} ({noise_of(view, best)}{tie}).")
    return out


def noise_counts_between(view: View, one: int, other: int) -> bool:
    """Whether two settings differ in noise, by their ratios to the reference."""
    difference = view.value(one, "noise") - view.value(other, "noise")
    error = math.hypot(view.value(one, "noise_err"), view.value(other, "noise_err"))
    return abs(difference) > SURE * error and abs(difference) >= MATTERS


def corrections(view: View) -> list[str]:
    """5.5.2: cosmic rays and bad pixels."""
    both = view.row("both corrected")
    if both is None:
        return []
    out = [
        f"With both corrected, a column of order 1 scatters {view.value(both, 'scatter_1'):.0f} ppm (order 2: "
        f"{view.value(both, 'scatter_2'):.0f}), {view.value(both, 'over_limit_1'):.3f} times photon and read noise, and "
        f"{view.value(both, 'sensitivity_1'):.3f} times its claimed error."
    ]
    for label, words in (
        ("cosmic rays not looked for", "Without the search for cosmic rays (and for outliers in spectra)"),
        ("bad pixels not looked for", "Without mask and search for bad pixels"),
        ("neither looked for", "Without either"),
    ):
        k = view.row(label)
        if k is not None:
            scatter = [view.value(k, f"scatter_{o}") / view.value(both, f"scatter_{o}") for o in (1, 2)]
            out.append(
                f"{words} it scatters {percent(scatter[0])} (order 2: {percent(scatter[1])}), sensitivity "
                f"{view.value(k, 'sensitivity_1'):.3f} and {view.value(k, 'sensitivity_2'):.3f}; bins of the spectrum have "
                f"{noise_of(view, k)} times the noise, white light of order 1 {view.value(k, 'white_rms_1'):.0f} against "
                f"{view.value(both, 'white_rms_1'):.0f} ppm, and {depth_words(view, k)}."
            )
    return out


def apertures(view: View) -> list[str]:
    """5.5.3: which radius."""
    swept = [(m.value, m.setting) for m in view.part.members if m.value is not None]
    swept = sorted((r, k) for r, k in swept if math.isfinite(view.value(k, "noise")))
    if len(swept) < 3:
        return []
    best_radius, best = min(swept, key=lambda rk: view.value(rk[1], "noise"))
    alike = [r for r, k in swept if not noise_counts_between(view, best, k)]
    (small, k_small), (large, k_large) = swept[0], swept[-1]
    out = [
        f"Least noise in the bins of the spectrum: a radius of {best_radius:g} px ({noise_of(view, best)} times that of the "
        f"reference); {min(alike):g} to {max(alike):g} px cannot be told from it. At {small:g} px it is "
        f"{noise_of(view, k_small)}, at {large:g} px {noise_of(view, k_large)}."
    ]
    for order in (1, 2):
        scatter = [(view.value(k, f"scatter_{order}"), r) for r, k in swept]
        least, at = min(scatter)
        out.append(
            f"A single column of order {order} scatters least at {at:g} px ({least:.0f} ppm; {scatter[0][0]:.0f} at {small:g} px, "
            f"{scatter[-1][0]:.0f} at {large:g} px)."
        )
    white, at = min((view.value(k, "white_rms_1"), r) for r, k in swept)
    out.append(f"White light of order 1 scatters least at {at:g} px ({white:.0f} ppm).")
    out.append(f"At {small:g} px {depth_words(view, k_small)}, at {large:g} px {depth_words(view, k_large)}.")
    weighted = [m.setting for m in view.part.members if m.label.startswith("profile-weighted")]
    if weighted:
        k = min(weighted, key=lambda k: view.value(k, "noise"))
        out.append(
            f"The best profile-weighted extraction ({view.name(k)}) has {noise_of(view, k)} times the reference's noise."
        )
    return out


def steps(view: View) -> list[str]:
    """5.5.4: which step matters most."""
    rows = [k for k in view.rows if math.isfinite(view.value(k, "noise"))]
    if not rows:
        return []
    rows.sort(key=lambda k: -view.value(k, "noise"))
    worse = [k for k in rows if noise_counts(view, k) and view.value(k, "noise") > 1]
    out = []
    if worse:
        out.append(
            f"For the scatter {view.name(worse[0]).removeprefix('without ')} matters most: without it bins of the spectrum have "
            f"{noise_of(view, worse[0])} times the noise."
            if view.name(worse[0]).startswith("without ")
            else f"For the scatter it matters most that the {view.name(worse[0])}: {noise_of(view, worse[0])} times the noise."
        )
        if rest := [f"{view.name(k)} {noise_of(view, k)}" for k in worse[1:]]:
            out.append(f"Noisier too: {listed(rest)}.")
    else:
        out.append("No step makes the bins of the spectrum noisier when it is left out, beyond chance.")
    same = [k for k in rows if not noise_counts(view, k)]
    if same:
        out.append(f"No change of the noise beyond chance or half a per cent: {listed([view.name(k) for k in same])}.")
    less = [k for k in rows if noise_counts(view, k) and view.value(k, "noise") < 1]
    if less:
        out.append(f"Less noise, which alone is no merit: {listed([f'{view.name(k)} {noise_of(view, k)}' for k in less])}.")
    shaped = [k for k in rows if sure(view.value(k, "change_1"), view.value(k, "change_err_1"))]
    if shaped:
        k = max(shaped, key=lambda k: abs(view.value(k, "change_1")))
        out.append(
            f"For the shape of the light curve most: {view.name(k)}, {depth_words(view, k)}; single points of white light move "
            f"by {view.value(k, 'white_moved_1'):.0f} ppm (rms)."
        )
        if len(shaped) > 1:
            out.append(
                moved(view, [j for j in shaped if j != k]).replace("changes by more than chance with", "changes too with")
            )
    elif math.isfinite(view.value(rows[0], "change_1")):
        out.append("No step left out changes the depth of order 1's white light by more than chance.")
    k = max(rows, key=lambda k: view.value(k, "white_moved_1"))
    if not shaped or k != max(shaped, key=lambda j: abs(view.value(j, "change_1"))):
        out.append(f"Single points of white light move most {view.name(k)}: {view.value(k, 'white_moved_1'):.0f} ppm (rms).")
    return out


def jumps(view: View) -> list[str]:
    """3.5: thresholds."""
    swept = sorted((m.value, m.setting) for m in view.part.members if m.value is not None)
    swept = [(t, k) for t, k in swept if math.isfinite(view.value(k, "jumps"))]
    if len(swept) < 3:
        return []
    reads = view.pixels * max(view.groups - 1, 1)
    words = []
    for t, k in swept:
        chance = reads * float(erfc(t / math.sqrt(2)))
        words.append(f"{t:g} sigma {view.value(k, 'jumps'):.0f} ({chance:.0f})")
    out = [f"Flags of an integration by threshold, in brackets what Gaussian noise alone would give: {', '.join(words)}."]
    clean = [(t, k) for t, k in swept if reads * float(erfc(t / math.sqrt(2))) < 0.1 * view.value(k, "jumps")]
    if clean:
        t, k = clean[0]
        share = 100 * view.value(k, "jumps") / reads
        out.append(
            f"From {t:g} sigma on, less than a tenth of the flags is chance: {share:.3f} % of the reads are flagged there, "
            f"{100 * view.value(clean[-1][1], 'jumps') / reads:.3f} % at {clean[-1][0]:g} sigma."
        )
    finite = [(t, k) for t, k in swept if math.isfinite(view.value(k, "noise"))]
    best_t, best = min(finite, key=lambda tk: view.value(tk[1], "noise"))
    alike = [t for t, k in finite if not noise_counts_between(view, best, k)]
    out.append(
        f"Least noise in the bins: {best_t:g} sigma ({noise_of(view, best)}); {min(alike):g} to {max(alike):g} sigma cannot be told "
        f"from it. At {finite[-1][0]:g} sigma: {noise_of(view, finite[-1][1])}."
    )
    ramps = [m.setting for m in view.part.members if m.label.startswith("up the ramp")]
    if ramps:
        found = [f"{view.name(k)}: {view.value(k, 'jumps'):.0f} flags, noise {noise_of(view, k)}" for k in ramps]
        out.append(f"Judged up each ramp alone, as the field does: {'; '.join(found)}.")
    chain = view.row("chain of the tutorial")
    if chain is not None:
        out.append(
            f"The whole chain of the tutorial: noise of the bins {noise_of(view, chain)}, white light of order 1 "
            f"{view.value(chain, 'white_rms_1'):.0f} ppm, scatter over claimed error {view.value(chain, 'sensitivity_1'):.2f}; "
            f"{depth_words(view, chain)}."
        )
    out.append(moved(view, [k for _, k in swept]))
    return out


def anything(view: View) -> list[str]:
    """Any other part: who is least noisy, who is noisier, who changes the depth."""
    rows = [k for k in dict.fromkeys(view.rows) if math.isfinite(view.value(k, "noise"))]
    if not rows:
        return ["No setting could be judged: no scatter outside the event."]
    best = min(rows, key=lambda k: view.value(k, "noise"))
    alike = [k for k in rows if k != best and not noise_counts_between(view, best, k)]
    tie = f"; not to be told from it: {listed([view.name(k) for k in alike])}" if alike else ""
    out = [f"Least noise in the bins of the spectrum: {view.name(best)} ({noise_of(view, best)} times the reference{tie})."]
    worse = sorted(
        (k for k in rows if noise_counts(view, k) and view.value(k, "noise") > 1), key=lambda k: -view.value(k, "noise")
    )
    if worse:
        out.append(f"Noisier than the reference: {listed([f'{view.name(k)} {noise_of(view, k)}' for k in worse])}.")
    out.append(moved(view, rows))
    return out


KNOWN: dict[str, Callable[[View], list[str]]] = {
    "one_over_f": one_over_f,
    "corrections": corrections,
    "apertures": apertures,
    "steps": steps,
    "jumps": jumps,
}
"""Parts of the tutorial's study by name"""
