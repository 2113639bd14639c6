"""What the numbers of a study say, in words. Every sentence is made from the table and says no more than it holds.

A difference counts when it is three of its errors, and besides, of a noise ratio, half a per cent, of a depth, a tenth of the
depth's own error: what settings share cancels in a difference, so that changes far too small to matter can be sure.
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
TENTH = 0.1
"""of a depth's own error, which a change must exceed to be worth a word"""


HITS = 2.6e-5
"""cosmic rays per pixel and second: 8 per cm2 and second (JWST exposure time calculator, JDox)"""


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
    tgroup: float
    """[s]"""

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


def answer_all(grid: Grid, table: Table, groups: int, pixels: float, tgroup: float) -> list[Answer]:
    """One answer for each part of the study, in its order; groups of an integration, pixels of a frame, seconds of a group."""
    out = []
    for part in grid.parts:
        view = View(part, table, groups, pixels, tgroup)
        known = KNOWN.get(part.name)
        said = known(view) if known is not None else []
        out.append(Answer(part.name, part.question or part.title, [s for s in (said or anything(view)) if s]))
    if "truth_1" in table.colnames:
        out.append(Answer("truth", "How far is the spectrum from the truth of the simulation?", against_truth(table)))
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
    value, error = view.value(row, "noise"), view.value(row, "noise_err")
    return f"{value:g}" if error == 0 else measured(value, error, "", sign=False)


def sure(value: float, error: float) -> bool:
    """Whether a change is more than chance."""
    return bool(math.isfinite(value) and abs(value) > SURE * error and value != 0)


def noise_counts(view: View, row: int) -> bool:
    """Whether the noise differs from the reference's."""
    ratio, error = view.value(row, "noise"), view.value(row, "noise_err")
    return sure(ratio - 1, error) and abs(ratio - 1) >= MATTERS


def noise_counts_between(view: View, one: int, other: int) -> bool:
    """Whether two settings differ in noise, by their ratios to the reference."""
    difference = view.value(one, "noise") - view.value(other, "noise")
    error = math.hypot(view.value(one, "noise_err"), view.value(other, "noise_err"))
    return abs(difference) > SURE * error and abs(difference) >= MATTERS


def depth_counts(table: Table, row: int, order: int = 1) -> bool:
    """Whether white light's depth differs from the reference's: more than chance, and more than a tenth of its own error."""
    names = [f"{name}_{order}" for name in ("change", "change_err", "depth_err")]
    if any(name not in table.colnames for name in names):
        return False
    change, error, own = (float(table[name].data[row]) for name in names)
    return sure(change, error) and abs(change) > TENTH * own


def depth_words(view: View, row: int, order: int = 1) -> str:
    """How white light's depth changes, and whether that counts; "" where no depth was fitted."""
    change, error = view.value(row, f"change_{order}"), view.value(row, f"change_err_{order}")
    if not math.isfinite(change):
        return ""
    how = "more than chance" if sure(change, error) else "within chance"
    return f"order {order}'s depth changes by {measured(change, error)} ({how})"


def with_depth(text: str, words: str, joint: str = "; ") -> str:
    """A sentence with what the depth does, where there is a depth."""
    return f"{text}{joint}{words}." if words else f"{text}."


def listed(words: Sequence[str]) -> str:
    """Words as people list them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def alike(view: View, best: int, rows: Sequence[int]) -> str:
    """Who cannot be told from the best by noise."""
    others = [view.name(k) for k in rows if k != best and not noise_counts_between(view, best, k)]
    return f"; not to be told from it: {listed(others)}" if others else "; every other one is noisier"


def moved(view: View, rows: Sequence[int], most: int = 4) -> str:
    """The settings that change a depth, furthest first."""
    if not np.isfinite([view.value(k, "change_1") for k in rows]).any():
        return ""
    far = [k for k in rows if depth_counts(view.table, k)]
    if not far:
        return "None of them changes the depth of order 1's white light by more than chance and a tenth of its error."
    far.sort(key=lambda k: -abs(view.value(k, "change_1")))
    words = [f"{view.name(k)} ({measured(view.value(k, 'change_1'), view.value(k, 'change_err_1'))})" for k in far[:most]]
    more = f", and {len(far) - most} more" if len(far) > most else ""
    return f"The depth of order 1's white light is another: {listed(words)}{more}."


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

        def two(name: str, form: str, rows: tuple[int, int] = (group, slope)) -> str:
            return " and ".join(format(view.value(k, name), form) for k in rows)

        text = (
            f"{words}, on groups and on slopes: white light of order 1 scatters {two('white_rms_1', '.0f')} ppm "
            f"({two('white_over_limit_1', '.2f')} times photon and read noise), bins of the spectrum {two('noise', '.3f')} "
            f"times the reference's noise, columns of order 1 {two('sensitivity_1', '.3f')} times their claimed error"
        )
        depths = [measured(view.value(k, "change_1"), view.value(k, "change_err_1")) for k in (group, slope)]
        known = math.isfinite(view.value(slope, "change_1"))
        against = "order 1's depth against the reference: "
        shown = depths[1] if group == 0 else " and ".join(depths)
        out.append(with_depth(text, f"{against}{shown}" if known else ""))
    none = view.row("1/f not corrected")
    if none is not None:
        out.append(
            f"Not corrected at all, a column of order 1 scatters {view.value(none, 'over_limit_1'):.2f} times photon and read "
            f"noise, white light {view.value(none, 'white_rms_1'):.0f} ppm, bins {noise_of(view, none)} times the reference."
        )
    choices = [k for k in view.rows if math.isfinite(view.value(k, "noise"))]
    if out and choices:
        best = min(choices, key=lambda k: view.value(k, "noise"))
        out.append(f"Least noise in the bins: {view.name(best)} ({noise_of(view, best)}{alike(view, best, choices)}).")
    return out


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
            text = (
                f"{words} it scatters {percent(scatter[0])} (order 2: {percent(scatter[1])}), "
                f"{view.value(k, 'sensitivity_1'):.3f} times its claimed error (order 2: {view.value(k, 'sensitivity_2'):.3f}"
                f"); bins of the spectrum have {noise_of(view, k)} times the noise, white light of order 1 scatters "
                f"{view.value(k, 'white_rms_1'):.0f} against {view.value(both, 'white_rms_1'):.0f} ppm"
            )
            out.append(with_depth(text, depth_words(view, k)))
    return out


def apertures(view: View) -> list[str]:
    """5.5.3: which radius."""
    swept = [(m.value, m.setting) for m in view.part.members if m.value is not None]
    swept = sorted((r, k) for r, k in swept if math.isfinite(view.value(k, "noise")))
    if len(swept) < 3:
        return []
    best_radius, best = min(swept, key=lambda rk: view.value(rk[1], "noise"))
    ties = [r for r, k in swept if not noise_counts_between(view, best, k)]
    (small, k_small), (large, k_large) = swept[0], swept[-1]
    tie = f"{min(ties):g} to {max(ties):g} px cannot be told from it" if len(ties) > 1 else "every other one is noisier"
    out = [
        f"Least noise in the bins of the spectrum: a radius of {best_radius:g} px ({noise_of(view, best)} times that of the "
        f"reference); {tie}. At {small:g} px it is {noise_of(view, k_small)}, at {large:g} px {noise_of(view, k_large)}."
    ]
    for order in (1, 2):
        scatter = [(view.value(k, f"scatter_{order}"), r) for r, k in swept]
        least, at = min(scatter)
        ends = f"{scatter[0][0]:.0f} at {small:g} px, {scatter[-1][0]:.0f} at {large:g} px"
        out.append(f"A single column of order {order} scatters least at {at:g} px ({least:.0f} ppm; {ends}).")
    white = [(view.value(k, "white_rms_1"), r) for r, k in swept]
    ends = f"{white[0][0]:.0f} at {small:g} px, {white[-1][0]:.0f} at {large:g} px"
    out.append(f"White light of order 1 scatters least at {min(white)[1]:g} px ({min(white)[0]:.0f} ppm; {ends}).")
    out.append(moved(view, [k for _, k in swept]))
    weighted = [m.setting for m in view.part.members if m.label.startswith("profile-weighted")]
    if weighted:
        k = min(weighted, key=lambda k: view.value(k, "noise"))
        out.append(
            f"The best profile-weighted extraction ({view.name(k)}) has {noise_of(view, k)} times the reference's noise."
        )
    return out


STEP_WORDS = {
    "dq_init": "the bad-pixel mask",
    "saturation": "the saturation flags",
    "superbias": "the superbias",
    "refpix": "the reference pixels",
    "linearity": "the linearity correction",
    "dark_current": "the dark current",
    "one_over_f": "the 1/f correction",
    "jump": "the search for jumps",
    "clean": "the search for outliers in spectra",
    "aperture does not follow the trace": "moving the aperture with the trace",
}


def steps(view: View) -> list[str]:
    """5.5.4: which step matters most."""
    rows = [k for k in view.rows if math.isfinite(view.value(k, "noise"))]
    if not rows:
        return []
    rows.sort(key=lambda k: -view.value(k, "noise"))

    def step(k: int) -> str:
        name = view.name(k).removeprefix("without ")
        return STEP_WORDS.get(name, name)

    worse = [k for k in rows if noise_counts(view, k) and view.value(k, "noise") > 1]
    out = []
    if worse:
        out.append(
            f"For the scatter {step(worse[0])} matters most: without it bins of the spectrum have {noise_of(view, worse[0])} "
            f"times the noise, columns of order 1 scatter {view.value(worse[0], 'over_limit_1'):.2f} times photon and "
            f"read noise ({view.value(0, 'over_limit_1'):.2f} with every step)."
        )
        if rest := [f"{step(k)} ({noise_of(view, k)})" for k in worse[1:]]:
            out.append(f"Missed too: {listed(rest)}.")
    else:
        out.append("No step makes the bins of the spectrum noisier when it is left out, beyond chance.")
    if same := [step(k) for k in rows if not noise_counts(view, k)]:
        out.append(f"No change of the noise beyond chance or half a per cent: {listed(same)}.")
    if less := [f"{step(k)} ({noise_of(view, k)})" for k in rows if noise_counts(view, k) and view.value(k, "noise") < 1]:
        out.append(f"Less noise without, which alone is no merit: {listed(less)}.")
    shaped = sorted((k for k in rows if depth_counts(view.table, k)), key=lambda k: -abs(view.value(k, "change_1")))
    if shaped:
        k = shaped[0]
        out.append(
            f"For the shape of the light curve {step(k)} matters most: without it order 1's depth changes by "
            f"{measured(view.value(k, 'change_1'), view.value(k, 'change_err_1'))}."
        )
        rest = [f"{step(j)} ({measured(view.value(j, 'change_1'), view.value(j, 'change_err_1'))})" for j in shaped[1:]]
        if rest:
            out.append(f"Less, but more than chance: {listed(rest)}.")
    elif math.isfinite(view.value(rows[0], "change_1")):
        out.append("No step left out changes the depth of order 1's white light by more than chance and a tenth of its error.")
    far = sorted(rows, key=lambda k: -view.value(k, "white_moved_1"))[:3]
    points = listed([f"{step(k)} ({view.value(k, 'white_moved_1'):.0f} ppm)" for k in far])
    out.append(f"Single points of white light move most without {points} (rms).")
    return out


def jumps(view: View) -> list[str]:
    """3.5: thresholds."""
    swept = sorted((m.value, m.setting) for m in view.part.members if m.value is not None)
    swept = [(t, k) for t, k in swept if math.isfinite(view.value(k, "jumps"))]
    if len(swept) < 3:
        return []
    reads = view.pixels * max(view.groups - 1, 1)

    def chance(t: float) -> float:
        return reads * float(erfc(t / math.sqrt(2)))

    words = [f"{t:g} sigma {view.value(k, 'jumps'):.0f} ({chance(t):.0f})" for t, k in swept]
    out = [f"Flags of an integration by threshold, in brackets what Gaussian noise alone would give: {', '.join(words)}."]
    clean = [(t, k) for t, k in swept if chance(t) < 0.1 * view.value(k, "jumps")]
    if clean:
        (t, k), (last, k_last) = clean[0], clean[-1]
        share = [100 * view.value(j, "jumps") / reads for j in (k, k_last)]
        out.append(
            f"From {t:g} sigma on, less than a tenth of the flags is chance; {share[0]:.3f} % of the reads are flagged there, "
            f"{share[1]:.3f} % at {last:g} sigma: what is flagged are hits and their neighbours, not noise."
        )
        rate = [view.value(j, "jumps") / (reads * view.tgroup) for j in (k, k_last)]
        out.append(
            f"That is {rate[0]:.2g} flags per pixel and second at {t:g} sigma and {rate[1]:.2g} at {last:g} sigma; the "
            f"observatory's calculator expects {HITS:.1e} cosmic rays per pixel and second, so {rate[0] / HITS:.1f} flags a "
            "hit if they came at that rate (a hit leaves charge in several pixels, and neighbours of large ones are flagged)."
        )
    finite = [(t, k) for t, k in swept if math.isfinite(view.value(k, "noise"))]
    best_t, best = min(finite, key=lambda tk: view.value(tk[1], "noise"))
    ties = [t for t, k in finite if not noise_counts_between(view, best, k)]
    tie = f"{min(ties):g} to {max(ties):g} sigma cannot be told from it" if len(ties) > 1 else "every other one is noisier"
    out.append(
        f"Least noise in the bins: {best_t:g} sigma ({noise_of(view, best)}; {tie}), where columns of order 1 scatter "
        f"{view.value(best, 'sensitivity_1'):.3f} times their claimed error. At {finite[-1][0]:g} sigma the noise is "
        f"{noise_of(view, finite[-1][1])}."
    )
    if chance(best_t) > 0.5 * view.value(best, "jumps"):
        out.append(
            f"At {best_t:g} sigma most flags are chance: the tails of the noise are cut off, which is no better measurement."
        )
    ramps = [m.setting for m in view.part.members if m.label.startswith("up the ramp")]
    if ramps:
        found = [f"{view.name(k)}: {view.value(k, 'jumps'):.0f} flags, noise {noise_of(view, k)}" for k in ramps]
        out.append(f"Judged up each ramp alone, as the field does: {'; '.join(found)}.")
    out.append(moved(view, [k for _, k in swept]))
    return out


def chain(view: View) -> list[str]:
    """The tutorial's choices all together."""
    out = []
    for member in view.part.members:
        k = member.setting
        if k == 0:
            continue
        text = (
            f"{member.label[0].upper()}{member.label[1:]}: bins of the spectrum have {noise_of(view, k)} times the noise, "
            f"white light of order 1 scatters {view.value(k, 'white_rms_1'):.0f} against "
            f"{view.value(0, 'white_rms_1'):.0f} ppm, columns {view.value(k, 'sensitivity_1'):.2f} times their claimed error "
            f"(order 2: {view.value(k, 'sensitivity_2'):.2f})"
        )
        out.append(with_depth(text, depth_words(view, k)))
    return out


def anything(view: View) -> list[str]:
    """Any other part: who is least noisy, who is noisier, who changes the depth."""
    rows = [k for k in dict.fromkeys(view.rows) if math.isfinite(view.value(k, "noise"))]
    if not rows:
        return ["No setting could be judged: no scatter outside the event."]
    best = min(rows, key=lambda k: view.value(k, "noise"))
    text = f"{view.name(best)} ({noise_of(view, best)} times the reference{alike(view, best, rows) if len(rows) > 1 else ''})"
    out = [f"Least noise in the bins of the spectrum: {text}."]
    worse = [k for k in rows if noise_counts(view, k) and view.value(k, "noise") > 1]
    worse.sort(key=lambda k: -view.value(k, "noise"))
    if worse:
        out.append(f"Noisier than the reference: {listed([f'{view.name(k)} ({noise_of(view, k)})' for k in worse])}.")
    out.append(moved(view, rows))
    return out


def against_truth(table: Table) -> list[str]:
    """How far spectra are from what was put into a simulation."""
    off = []
    for k in range(len(table)):
        away, error = float(table["truth_1"].data[k]), float(table["truth_err_1"].data[k])
        if k == 0:
            chi2 = float(table["truth_chi2"].data[0])
            words = [measured(float(table[f"truth_{o}"].data[0]), float(table[f"truth_err_{o}"].data[0])) for o in (1, 2)]
            first = (
                f"The reference's spectrum is off by {words[0]} in order 1 and {words[1]} in order 2 (mean over bins), chi2/N "
            )
            first += f"{chi2:.2f}."
        elif sure(away, error):
            off.append((abs(away), f"{table['setting'][k]} ({measured(away, error)})"))
    off.sort(key=lambda item: -item[0])
    rest = (
        f"Off by more than three errors in order 1: {listed([w for _, w in off])}." if off else "No other setting is off more."
    )
    return [first, rest]


KNOWN: dict[str, Callable[[View], list[str]]] = {
    "one_over_f": one_over_f,
    "corrections": corrections,
    "apertures": apertures,
    "steps": steps,
    "jumps": jumps,
    "chain": chain,
}
"""Parts of the tutorial's study by name"""
