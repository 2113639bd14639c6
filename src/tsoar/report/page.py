"""The report: one self-contained HTML page, no network, the same bytes whenever the run is repeated (row G9).

It shows what it is handed: the record of the run, the numbers with criterion and verdict, the figures. Nothing in it
comes from the clock or the machine. What stems from headers is escaped.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape as for_html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsoar.io.datasets import write_text
from tsoar.report.style import STYLE
from tsoar.report.tour import TOUR, Stop, left_out, numbers_at, stop_of, summary_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
LEGIBLE = 680
"""on a narrow screen a figure is not shown smaller than this but scrolls sideways [px]"""
LARGE = 150_000
"""figures above this size are carried as WebP [bytes]"""
HARMLESS = {c: "\ufffd" for c in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""control characters and those that turn the direction of text round, which names of files may hold"""
SIGNS = {"good": "✓", "look here": "!", "bad": "✗"}


def escape(text: str) -> str:
    """Text from outside (headers, names of files) as it can stand in the page."""
    return for_html(text.translate(HARMLESS))


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure at a stop of the tour."""

    stop: str
    """anchor of the stop (`tsoar.report.tour`)"""
    data: bytes
    """PNG, see `png`"""
    caption: str
    still: bool = False
    """a view shows the same: for print and for readers without scripts, where the stop has one"""


@dataclass(frozen=True, slots=True)
class Live:
    """Interactive views: an element for each stop that has one, and the scripts that fill them. Trusted as they are."""

    elements: Mapping[str, str]
    scripts: str
    hints: Mapping[str, str] = field(default_factory=dict)
    """what to do there, a sentence each"""


def write_report(path: Path, **content: Any) -> None:
    """Write the page; parameters as for `page`."""
    write_text(page(**content), path)


def page(
    *,
    title: str,
    run: Mapping[str, Any],
    diagnostics: Mapping[str, Any],
    pictures: Sequence[Picture] = (),
    about: Iterable[tuple[str, str]] = (),
    live: Live | None = None,
    notes: Iterable[str] = (),
) -> str:
    """The page as text.

    Parameters
    ----------
    title : what was reduced.
    run : as in run.json; ``performance`` is left out, because it differs from run to run.
    diagnostics : as in diagnostics.json: ``numbers`` by name, each with value, unit, criterion, verdict; ``facts``.
    pictures : in the order in which they are shown at their stop.
    about : name and text of what the summary says of the exposure.
    live : interactive views; where there is one, pictures of that stop are for print and for readers without scripts.
    notes : what the reader must know, one sentence each.
    """
    numbers = diagnostics.get("numbers", {})
    chosen = summary_of(numbers)
    rest = f'<p class="note">The other {len(numbers) - len(chosen)} numbers stand where they are measured, below.</p>'
    told = "".join(f'<p class="note">Note: {escape(note)}</p>' for note in notes)
    sections = [
        ("summary", "Summary", fact_table((name, escape(text)) for name, text in about)
         + told + number_table(diagnostics, chosen, links=True) + (rest if len(numbers) > len(chosen) else "")),
        *((stop.anchor, stop.title, html) for stop in TOUR if (html := stop_block(stop, run, diagnostics, pictures, live))),
        ("provenance", "Provenance", run_table(run) + settings_block(run, diagnostics)),
    ]  # fmt: skip
    contents = "".join(f'<li><a href="#{escape(a)}">{escape(name)}</a></li>' for a, name, _ in sections)
    body = "\n".join(f'<section id="{escape(a)}"><h2>{escape(name)}</h2>\n{html}</section>' for a, name, html in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>
<p>NIRISS/SOSS time series {escape(str(run.get("exposure", "")))}, reduced with tsoar {escape(str(run.get("tsoar", "")))}.</p>
<p class="verdicts">{verdict_sentence(diagnostics)}</p></header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main>
{body}
</main>
{live.scripts if live else ""}</body>
</html>
"""


def stop_block(
    stop: Stop, run: Mapping[str, Any], diagnostics: Mapping[str, Any], pictures: Iterable[Picture], live: Live | None
) -> str:
    """A stop of the tour as HTML: what happens, its numbers, the view, the figures; '' when there is nothing to show."""
    names = numbers_at(stop.anchor, diagnostics.get("numbers", {}))
    view = live.elements.get(stop.anchor, "") if live else ""
    here = [p for p in pictures if p.stop == stop.anchor]
    figures = "".join(
        f'<div class="still">{figure_block(p.data, p.caption)}</div>\n' if view and p.still else figure_block(p.data, p.caption)
        for p in here
    )
    steps = run.get("steps", [])
    raw = bool(steps) and run.get("kind", "uncal") == "uncal"  # a start from slopes leaves nothing out: it begins later
    gone = '<p class="note">This step was left out.</p>\n' if raw and left_out(stop, steps) else ""
    if not (names or figures or gone):
        return ""
    if view and live is not None:
        hint = live.hints.get(stop.anchor, "")
        view = f'<div class="alive">{f"<p class=note>{escape(hint)}</p>" if hint else ""}{view}</div>\n'
    table = number_table(diagnostics, names) if names else ""
    return f'<p class="lead">{escape(stop.lead)}</p>\n{gone}{table}{view}{figures}'


# -- numbers ----------------------------------------------------------------------------------------------------------


def written(value: Any) -> str:
    """A number for people: four figures, thousands in full.

    >>> written(1.023456), written(12345.6), written(None)
    ('1.023', '12346', 'not measured')
    """
    if value is None:
        return "not measured"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and 1e3 <= abs(value) < 1e7):
        return f"{value:.0f}"
    return f"{value:.4g}"


def number_rows(diagnostics: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Name, value with unit, criterion, verdict of every number."""
    rows = []
    for name, number in diagnostics.get("numbers", {}).items():
        value, unit = number.get("value"), number.get("unit", "")
        text = written(value) + (f" {unit}" if unit and value is not None else "")
        rows.append((name, text, str(number.get("criterion", "")), str(number.get("verdict", ""))))
    return rows


def verdict_sentence(diagnostics: Mapping[str, Any]) -> str:
    """How many of the numbers that have a criterion are good, and the names of those that are not."""
    rows = number_rows(diagnostics)
    judged = sum(row[3] in SIGNS for row in rows)
    parts = [f"{sum(row[3] == 'good' for row in rows)} of {judged} numbers with a criterion are good."]
    for verdict, words in (("bad", "Bad"), ("look here", "Look here")):
        names = [row[0] for row in rows if row[3] == verdict]
        if names:
            style = {"bad": "bad", "look here": "look"}[verdict]
            parts.append(f'<span class="{style}">{words}: {", ".join(map(linked, names))}.</span>')
    return " ".join(parts)


def linked(name: str) -> str:
    """The name of a number, leading to the stop where it is measured."""
    anchor = stop_of(name)
    return f'<a href="#{escape(anchor)}">{spaced(name)}</a>' if anchor else spaced(name)


def spaced(name: str) -> str:
    """An identifier as words, escaped."""
    return escape(name.replace("_", " "))


def number_table(diagnostics: Mapping[str, Any], names: Iterable[str] | None = None, *, links: bool = False) -> str:
    """The numbers of these names (all) as a table; the verdict is a sign and a word, not a colour alone."""
    found = {row[0]: row for row in number_rows(diagnostics)}
    rows = []
    for name, value, criterion, verdict in (found[n] for n in (found if names is None else names)):
        style = {"good": "good", "look here": "look", "bad": "bad"}.get(verdict, "")
        shown = f'{SIGNS.get(verdict, "–")} <span class="word">{escape(verdict)}</span>' if verdict else ""
        rows.append(
            f'<tr><th scope="row">{linked(name) if links else spaced(name)}</th><td class="value">{escape(value)}</td>'
            f'<td class="criterion">{escape(criterion)}</td><td class="verdict {style}">{shown}</td></tr>\n'
        )
    head = "".join(f'<th scope="col">{h}</th>' for h in ("number", "value", "criterion", "verdict"))
    return f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>\n{"".join(rows)}</tbody></table>\n'


# -- tables of the run ------------------------------------------------------------------------------------------------


def fact_table(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns: name, and HTML."""
    lines = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{html}</td></tr>\n' for name, html in rows)
    return f'<table class="facts"><tbody>\n{lines}</tbody></table>\n'


def file_line(record: Mapping[str, Any]) -> str:
    """A file with size and hash, as HTML."""
    size = f", {record['bytes']} bytes" if "bytes" in record else ""
    digest = f", sha256 <code>{escape(str(record['sha256'])[:16])}</code>" if record.get("sha256") else ""
    return f"{escape(str(record.get('name') or record.get('file', '')))}{size}{digest}"


def run_table(run: Mapping[str, Any]) -> str:
    """What was run on what."""
    rows: list[tuple[str, str]] = [
        (name, escape(str(run[key]))) for name, key in (("exposure", "exposure"), ("start", "kind")) if key in run
    ]
    rows += [("input", file_line(record)) for record in run.get("inputs", [])]
    for record in run.get("references", []):
        rows.append((f"reference {record.get('type', '')}", file_line(record)))
    rows.append(("steps", escape(" → ".join(map(str, run.get("steps", []))))))
    changed = list(changed_settings(run.get("config", {})))
    rows.append(("changed settings", "<br>".join(f"<code>{escape(c)}</code>" for c in changed) or "none: all at default"))
    asked = {k: v for k, v in run.get("options", {}).items() if v not in (None, [], ())}
    rows.append(("options", escape(", ".join(f"{k} = {v}" for k, v in asked.items())) or "none"))
    rows += [("repaired", escape(str(text))) for text in run.get("repairs", [])]
    rows.append(("versions", escape(", ".join(f"{k} {v}" for k, v in run.get("versions", {}).items()))))
    return fact_table(rows)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything in a tree that is one number, text or list."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield path, tree


def changed_settings(tree: Mapping[str, Any]) -> Iterator[str]:
    """Settings of a run that are not the default, as ``path = value``."""
    from tsoar.config import Config, to_dict

    default = dict(leaves(to_dict(Config())))
    return (f"{path} = {json.dumps(value)}" for path, value in leaves(tree) if default.get(path, ()) != value)


def settings_block(run: Mapping[str, Any], diagnostics: Mapping[str, Any]) -> str:
    """All settings and facts, folded."""
    settings = fact_table((path, f"<code>{escape(json.dumps(v))}</code>") for path, v in leaves(run.get("config", {})))
    facts = fact_table((path, escape(short(v))) for path, v in leaves(diagnostics.get("facts", {})))
    return (
        f"<details><summary>All settings</summary>\n{settings}</details>\n"
        f"<details><summary>Facts measured on the way</summary>\n{facts}</details>\n"
    )


def short(value: Any) -> str:
    """A fact in one line; long lists by their ends."""
    if isinstance(value, list | tuple):
        items = [short(v) for v in (value if len(value) <= 8 else value[:8])]
        return "[" + ", ".join(items) + (f", ... {len(value)} values]" if len(value) > 8 else "]")
    return written(value) if isinstance(value, int | float) else str(value)


# -- figures ----------------------------------------------------------------------------------------------------------


def png(figure: Figure) -> bytes:
    """A figure as PNG, the same bytes every time (no name, version or date inside).

    Laid out and drawn once: `savefig` draws everything a second time for the layout, which doubles the time of a report.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    size = canvas.get_width_height()
    image = Image.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, format="png", dpi=(DPI, DPI), compress_level=2)  # beyond 2: a third more time for a few per cent
    return buffer.getvalue()


def for_the_page(data: bytes) -> tuple[str, bytes]:
    """Kind and bytes of a PNG as the page carries it: images of noise as WebP, a sixth of the size, where Pillow can."""
    from PIL import Image, features

    if len(data) < LARGE or not features.check("webp"):
        return "png", data
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, format="webp", quality=88, method=1)
    return "webp", buffer.getvalue()


def figure_block(data: bytes, caption: str) -> str:
    """A figure with its caption, inside the page; it scrolls sideways on a narrow screen rather than shrink."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # IHDR of the PNG
    kind, small = for_the_page(data)
    image = base64.b64encode(small).decode("ascii")
    return (
        f'<figure><div class="frame" tabindex="0" role="group" aria-label="figure">'
        f'<img alt="{escape(caption)}" width="{width}" height="{height}" '
        f'style="--legible: {min(width, LEGIBLE)}px" src="data:image/{kind};base64,{image}"></div>\n'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )
