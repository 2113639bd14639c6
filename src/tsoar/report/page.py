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
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsoar.io.datasets import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
LEGIBLE = 680
"""on a narrow screen a figure is not shown smaller than this but scrolls sideways [px]"""
HARMLESS = {c: "\ufffd" for c in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""control characters and those that turn the direction of text round, which names of files may hold"""
SIGNS = {"good": "✓", "look here": "!", "bad": "✗"}

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; background: #fff; color: #1a1a1a;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
a { color: #0b4f9e; }
nav ul { margin: .5rem 0; padding-left: 1.2rem; columns: 20rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #d5d5d5; }
thead th { border-bottom: 2px solid #555; }
tbody th { font-weight: 600; }
.facts tbody th { width: 13rem; }
.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { white-space: nowrap; font-weight: 600; }
.good { color: #14601f; } .look { color: #7a4a00; } .bad { color: #a01212; }
code { font: .85em ui-monospace, monospace; }
figure { margin: 0; }
.frame { overflow-x: auto; border: 1px solid #d5d5d5; }
.frame img { display: block; height: auto; max-width: 100%; }
figcaption, .note { color: #3a3a3a; margin: .4rem 0; }
summary { cursor: pointer; padding: .4rem 0; }
@media (max-width: 45rem) {
  .frame img { max-width: none; width: var(--legible); }
  .numbers thead { position: absolute; left: -999rem; }
  .numbers tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid #d5d5d5; padding: .4rem 0; }
  .numbers th, .numbers td { border: 0; padding: 0 .3rem 0 0; }
  .numbers .criterion { order: 1; color: #3a3a3a; }
  .numbers .verdict { order: 1; text-align: right; }
  .numbers .value { text-align: right; }
  .facts tbody th { width: 7rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .frame { overflow: visible; border: 0; }
  .frame img { max-width: 100%; width: auto; max-height: 22cm; }
}
"""


def write_report(
    path: Path,
    *,
    title: str,
    run: Mapping[str, Any],
    diagnostics: Mapping[str, Any],
    figures: Sequence[tuple[str, str, bytes, str]],
    notes: Iterable[str] = (),
) -> None:
    """Write the page.

    Parameters
    ----------
    path : of the page.
    title : what was reduced.
    run : as in run.json; ``performance`` is left out, because it differs from run to run.
    diagnostics : as in diagnostics.json: ``numbers`` by name, each with value, unit, criterion, verdict; ``facts``.
    figures : anchor, title, PNG (see `png`), caption.
    notes : what the reader must know, one sentence each.
    """
    text = page(title=title, run=run, diagnostics=diagnostics, figures=figures, notes=notes)
    write_text(text.translate(HARMLESS), path)


def page(
    *,
    title: str,
    run: Mapping[str, Any],
    diagnostics: Mapping[str, Any],
    figures: Sequence[tuple[str, str, bytes, str]],
    notes: Iterable[str] = (),
) -> str:
    """The page as text; parameters as for `write_report`."""
    sections = [
        ("run", "What was run on what", run_table(run)),
        ("numbers", "Numbers", number_table(diagnostics)),
        *((anchor, name, figure_block(figure, caption)) for anchor, name, figure, caption in figures),
        ("settings", "Settings and facts", settings_block(run, diagnostics)),
    ]
    contents = "".join(f'<li><a href="#{escape(a)}">{escape(name)}</a></li>' for a, name, _ in sections)
    body = "\n".join(f'<section id="{escape(a)}"><h2>{escape(name)}</h2>\n{html}</section>' for a, name, html in sections)
    told = "".join(f'<p class="note">Note: {escape(note)}</p>' for note in notes)
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
<p>NIRISS/SOSS time series {escape(str(run.get("exposure", "")))}, reduced with tsoar {escape(str(run.get("tsoar", "")))}.
{verdict_sentence(diagnostics)}</p>
{told}</header>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""


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
    """How many numbers are good, and the names of those that are not."""
    rows = number_rows(diagnostics)
    parts = [f"{sum(row[3] == 'good' for row in rows)} of {len(rows)} numbers are good."]
    for verdict, words in (("bad", "Bad"), ("look here", "Look here")):
        names = [row[0] for row in rows if row[3] == verdict]
        if names:
            parts.append(f"{words}: {', '.join(spaced(name) for name in names)}.")
    return " ".join(parts)


def spaced(name: str) -> str:
    """An identifier as words, escaped."""
    return escape(name.replace("_", " "))


def number_table(diagnostics: Mapping[str, Any]) -> str:
    """The numbers as a table; the verdict is a sign and a word, not a colour alone."""
    rows = []
    for name, value, criterion, verdict in number_rows(diagnostics):
        style = {"good": "good", "look here": "look", "bad": "bad"}.get(verdict, "")
        shown = f'{SIGNS.get(verdict, "–")} <span class="word">{escape(verdict)}</span>' if verdict else ""
        rows.append(
            f'<tr><th scope="row">{spaced(name)}</th><td class="value">{escape(value)}</td>'
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
    """A figure as PNG, the same bytes every time (no name or version of the program inside)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def figure_block(data: bytes, caption: str) -> str:
    """A figure with its caption, inside the page; it scrolls sideways on a narrow screen rather than shrink."""
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # IHDR of the PNG
    image = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><div class="frame" tabindex="0" role="group" aria-label="figure">'
        f'<img alt="{escape(caption)}" width="{width}" height="{height}" '
        f'style="--legible: {min(width, LEGIBLE)}px" src="data:image/png;base64,{image}"></div>\n'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )
