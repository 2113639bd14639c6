"""study.html: one self-contained page: answers first, then the ranking, then every part with its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from tsoar import plots
from tsoar.config import keys
from tsoar.io.datasets import write_text
from tsoar.report.page import fact_table, figure_block, png
from tsoar.report.style import STYLE
from tsoar.studies.answers import Answer, depth_counts, measured
from tsoar.studies.grid import Grid, Part
from tsoar.studies.table import COLUMNS

SHOWN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("noise", ("noise",), "noise_err"),
    ("scatter over claimed, orders 1, 2", ("sensitivity_1", "sensitivity_2"), ""),
    ("over limit, orders 1, 2", ("over_limit_1", "over_limit_2"), ""),
    ("white light, orders 1, 2 [ppm]", ("white_rms_1", "white_rms_2"), ""),
    ("change of depth, order 1 [ppm]", ("change_1",), "change_err_1"),
    ("change of depth, order 2 [ppm]", ("change_2",), "change_err_2"),
    ("spectrum chi2", ("spectrum_chi2",), ""),
    ("off the truth, order 1 [ppm]", ("truth_1",), "truth_err_1"),
    ("jump flags", ("jumps",), ""),
    ("seconds", ("seconds",), ""),
)
"""heading, columns, column of the error"""

MORE_STYLE = """
body { max-width: 76rem; }
.wide { overflow-x: auto; }
.ranking { font-size: .8rem; }
.ranking th, .ranking td { padding: .2rem .5rem .2rem 0; white-space: nowrap; }
.ranking tbody th { font-weight: 400; white-space: normal; min-width: 12rem; overflow-wrap: normal; }
.ranking td { text-align: right; font-variant-numeric: tabular-nums; }
.ranking thead th { white-space: normal; text-align: right; vertical-align: bottom; overflow-wrap: normal; }
.ranking thead th:first-child { text-align: left; }
.ranking tr.reference { background: #eef3f8; }
.ranking .moved { color: #a01212; font-weight: 600; }
.answer { border-left: 3px solid #0b4f9e; padding-left: .8rem; margin: 1rem 0; }
.answer h3 { font-size: 1rem; margin: 0 0 .3rem; }
.answer ul { margin: 0; padding-left: 1.1rem; }
"""


def write_page(
    path: Path,
    grid: Grid,
    table: Table,
    data: xr.Dataset,
    answers: Sequence[Answer],
    notes: Sequence[str],
    record: Mapping[str, Any],
) -> None:
    """Write the page; the same bytes whenever the study is repeated, but for the seconds each setting took."""
    sections = [("answers", "Answers", answer_blocks(answers))]
    ranking = figure_block(png(plots.study_ranking(data)), plots.CAPTIONS["study_ranking"])
    sections.append(("ranking", "Ranking", ranking + ranking_table(table)))
    for part in grid.parts:
        caption = plots.CAPTIONS["study_part"] if part is grid.parts[0] else f"As for {grid.parts[0].title}."
        sections.append((f"part-{part.name}", part.title, part_block(part, data, caption)))
    sections.append(("columns", "What the columns mean", fact_table((n, escape(t)) for n, (_, t) in COLUMNS.items())))
    sections.append(("settings", "Settings", settings_block(record)))
    contents = "".join(f'<li><a href="#{escape(a)}">{escape(name)}</a></li>' for a, name, _ in sections)
    body = "\n".join(f'<section id="{escape(a)}"><h2>{escape(name)}</h2>\n{html}</section>' for a, name, html in sections)
    told = "".join(f'<p class="note">Note: {escape(note)}</p>' for note in notes)
    write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(grid.title)}</title>
<style>{STYLE}{MORE_STYLE}</style>
</head>
<body>
<header><h1>{escape(grid.title)}</h1>
<p>{len(grid.settings)} settings on NIRISS/SOSS time series {escape(str(record["exposure"]))}
({record["integrations"]} integrations of {record["groups"]} groups),
compared with tsoar {escape(str(record["tsoar"]))}.
The reference is {escape(str(record["settings"][0]["changes"]) or "the default settings")}.</p>
{told}</header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main>
{body}
</main>
</body>
</html>
""",
        path,
    )


def answer_blocks(answers: Sequence[Answer]) -> str:
    """Questions with their answers."""
    out = []
    for a in answers:
        lines = "".join(f"<li>{escape(s.replace('+-', '±'))}</li>" for s in a.sentences)
        out.append(f'<div class="answer"><h3>{escape(a.question)}</h3><ul>{lines}</ul></div>\n')
    return "".join(out)


def ranking_table(table: Table) -> str:
    """All settings by their noise; depths that differ (`depth_counts`) are marked."""
    shown = [s for s in SHOWN if s[1][0] in table.colnames and np.isfinite(np.asarray(table[s[1][0]], float)).any()]
    noise = np.asarray(table["noise"], float)
    lines = []
    for k in np.argsort(np.where(np.isfinite(noise), noise, np.inf), kind="stable"):
        cells = []
        for _, names, error in shown:
            values = [float(table[name].data[k]) for name in names]
            text = ", ".join(cell(v) for v in values)
            if error and np.isfinite(values[0]):
                sigma = float(table[error].data[k])
                signed = names[0] != "noise"
                text = f"{values[0]:g}" if sigma == 0 else measured(values[0], sigma, "", sign=signed).replace("+-", "±")
            far = names[0].startswith("change") and depth_counts(table, int(k), int(names[0][-1]))
            cells.append(f'<td class="moved">{text}</td>' if far else f"<td>{text}</td>")
        kind = ' class="reference"' if k == 0 else ""
        lines.append(f'<tr{kind}><th scope="row">{escape(str(table["setting"][k]))}</th>{"".join(cells)}</tr>\n')
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in ("setting", *(s[0] for s in shown)))
    body = "".join(lines)
    return (
        '<p class="note">Lowest noise first; noise alone is no merit: a depth that is another by more than three errors of the '
        "change, and by more than a tenth of its own error, is marked.</p>\n"
        '<div class="wide" tabindex="0" role="group" aria-label="ranking"><table class="ranking">'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )


def cell(value: float) -> str:
    """A number of a narrow table.

    >>> cell(1.00712), cell(44.321), cell(2221.3), cell(0.00001)
    ('1.007', '44.3', '2221', '0.000')
    """
    if not np.isfinite(value):
        return "–"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"


def part_block(part: Part, data: xr.Dataset, caption: str) -> str:
    """A part's question and figure."""
    axis, labels = "", [m.label for m in part.members]
    if part.key:
        unit = keys()[part.key].unit
        axis = f"{part.key} [{unit}]" if unit else part.key
        labels = [m.label if m.value is None else f"{m.value:g} {unit}".strip() for m in part.members]
    figure = plots.study_part(data, [m.setting for m in part.members], labels, [m.value for m in part.members], axis)
    question = f"<p>{escape(part.question)}</p>\n" if part.question else ""
    return question + figure_block(png(figure), caption)


def settings_block(record: Mapping[str, Any]) -> str:
    """What each setting changes."""
    rows = [(s["name"], f"<code>{escape(s['changes'] or 'all at default')}</code>") for s in record["settings"]]
    return f"<details><summary>What each setting changes</summary>\n{fact_table(rows)}</details>\n"
