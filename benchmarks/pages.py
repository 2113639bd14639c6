"""results.json as people read it: results.md, the README's table and a figure. Measures nothing.

python -m benchmarks.pages        # writes them again from benchmarks/results.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.alone import ROOT

BEGIN, END = "<!-- speed: written by benchmarks/pages.py -->", "<!-- end of speed -->"
FIGURE = ROOT / "docs" / "images" / "benchmarks.png"
USUAL = 100
"""integrations; a shorter exposure is a test"""
WHO = {"tsoar": "#0072B2", "jwst": "#D55E00", "tutorial": "#009E73"}

Results = dict[str, Any]


def write(out: Path, readme: bool) -> list[Path]:
    """results.md beside results.json; figure and README of the repository when ``readme``, else the figure beside it."""
    results = json.loads((out / "results.json").read_text("utf-8"))
    page = out / "results.md"
    page.write_text(markdown(results), "utf-8")
    picture = FIGURE if readme else out / "benchmarks.png"
    figure(results).savefig(picture)
    written = [page, picture]
    if readme:
        path = ROOT / "README.md"
        path.write_text(with_table(path.read_text("utf-8"), readme_table(results)), "utf-8")
        written.append(path)
    return written


def with_table(text: str, table: str) -> str:
    """A README with the table between its markers."""
    text, n = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.S)
    if n != 1:
        raise SystemExit("README.md: no place for the table of speed")
    return text


def number(value: float | None, digits: int = 3) -> str:
    """As people write it.

    >>> number(1234.5), number(0.01234), number(None)
    ('1234', '0.0123', '-')
    """
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def with_spread(s: dict[str, Any] | None, scale: float = 1.0) -> str:
    """Median with the range about it."""
    if s is None:
        return "-"
    middle = number(s["median"] * scale)
    return middle if s["n"] == 1 else f"{middle} ({number(s['low'] * scale)} to {number(s['high'] * scale)})"


def rows_of(header: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> str:
    """A markdown table; the first ``left`` columns are words."""
    header = list(header)
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *map(list, rows)))


def where(results: Results) -> str:
    """Machine and versions in a sentence."""
    m, v = results["machine"], results["versions"]
    names = ", ".join(f"{name} {version}" for name, version in v.items())
    busy = f"; load {m['load']:g} when it began" if m["load"] > 0.5 else ""
    return f"{m['processor']}, {m['cores']} cores, {m['memory_gib']:g} GiB{busy}. {names}."


# -- the page ----------------------------------------------------------------------------------------------------------


def markdown(results: Results) -> str:
    """results.md: every part as a table."""
    text = ["# Speed, memory and quality, side by side", "", f"`python -m benchmarks` on {where(results)}"]
    if results["sizes"]["quick"]:
        text += ["", "**Quick sizes: these numbers show that the benchmark runs, nothing else.**"]
    text += [
        "",
        "Medians; in brackets the lowest and highest of the repetitions. Exposures are SUBSTRIP256, 6 groups, simulated,",
    ]
    text += ["files in the system's cache; competitors run in turn, each in a process of its own."]
    for name, part in results["parts"].items():
        text += ["", f"## {TITLES[name]}", ""]
        if "skipped" in part:
            text.append(f"Left out: {part['skipped']}.")
            continue
        text.append(SECTIONS[name](part))
    took = ", ".join(f"{name} {seconds:.0f}" for name, seconds in results["seconds"].items())
    return "\n".join([*text, "", f"Seconds this took: {took}.", ""])


def stage_table(part: Results) -> str:
    """Detector stages."""
    rows = []
    for r in part["rows"]:
        per = r["per_integration"]
        name = r["who"] + (" + clean_flicker_noise" if r.get("one_over_f") else "")
        rows.append(
            [
                name,
                to(r["files"]),
                str(r["n"]),
                str(r["workers"]),
                with_spread(per["wall"], 1e3),
                # what jwst starts on other cores are processes of their own, whose time is not in here
                "-" if r["who"] == "jwst" and r["workers"] > 1 else with_spread(per["cpu"], 1e3),
                with_spread(per.get("stream wall"), 1e3),
                number(r["peak_mib"]),
            ]
        )
    header = ("", "slopes to", "integrations", "cores", "ms per integration", "CPU ms", "without survey", "peak MiB")
    text = rows_of(header, rows, 2)
    ratios = [
        [
            to(r["files"]),
            str(r["n"]),
            f"{r['what']}, {r['workers']} core{'s' if r['workers'] > 1 else ''}",
            f"{r['best_n']} integrations in a file, {r['best_workers']} core{'s' if r['best_workers'] > 1 else ''}",
            number(r["ratio"]),
            number(r["stream_ratio"]),
        ]
        for r in part["ratios"]
    ]
    header = ("slopes to", "integrations", "what", "jwst at its best", "tsoar times faster", "without survey")
    return f"{text}\n\n{rows_of(header, ratios)}"


def to(files: bool) -> str:
    """Where slopes go."""
    return "rateints files" if files else "memory"


def spectra_table(part: Results) -> str:
    """Slopes to light curves."""
    steps = ("wall", "cpu", "survey wall", "stream wall", "1/f wall", "centroids wall", "splines wall", "apertures wall")
    rows = []
    for r in part["rows"]:
        per = r["per_integration"]
        cells = [with_spread(per[s], 1e3) if s in per else "" for s in steps]
        ratio = f"{number(r['ratio'])} ({number(r['stream_ratio'])})" if "ratio" in r else ""
        rows.append([r["who"], str(r["n"]), str(r["workers"]), *cells, ratio])
    names = [s.removesuffix(" wall") for s in steps]
    return rows_of(("ms per integration", "integrations", "cores", "all", *names[1:], "times faster (without survey)"), rows)


def exotedrf_table(part: Results) -> str:
    """exoTEDRF: seconds and noise."""
    steps = rows_of(
        ("exoTEDRF step", "s per integration", "CPU s"),
        [[name, number(t["wall"]), number(t["cpu"])] for name, t in part["steps"].items()],
    )
    shown = [label for label in part["labels"] if part["rows"]["exotedrf"].get(label) is not None]
    noise = rows_of(
        ("", "exoTEDRF", "tsoar"),
        [[label, *(number(part["rows"][who].get(label)) for who in ("exotedrf", "tsoar"))] for label in shown],
    )
    return f"{part['n']} integrations.\n\n{steps}\n\n{noise}"


def job_table(part: Results) -> str:
    """The whole job."""
    stages = list(dict.fromkeys(s for r in part["rows"] for s in r["seconds"]))
    rows = [
        [str(r["n"]), r["products"], with_spread(r["wall"]), number(r["peak_mib"])]
        + [number(r["seconds"].get(s)) for s in stages]
        for r in part["rows"]
    ]
    return rows_of(("integrations", "products", "wall s, start to end", "peak MiB", *(f"{s} s" for s in stages)), rows, 2)


def kernels_table(part: Results) -> str:
    """Kernels and twins."""
    rows = [
        [f"`{r['name']}`", r["what"], with_spread(r["kernel_ms"]), with_spread(r["twin_ms"]), number(r["ratio"])]
        for r in part["rows"]
    ]
    return rows_of(("kernel", "", "ms per integration, one core", "NumPy twin ms", "times faster"), rows, 2)


def limit_table(part: Results) -> str:
    """Bandwidths and what is left."""
    lines = [f"{number(part['moved_mb'])} MB must move per integration (counts in, five planes out, fetched before written)."]
    for threads, found in part["memory_gb_s"].items():
        lines.append(f"Memory, {threads} thread(s): copy {found['copy']:.1f}, triad {found['triad']:.1f} GB/s.")
    disk = part["disk_gb_s"]
    lines.append(f"Disk: write {disk['write']:.2f}, read {disk['read']:.2f} GB/s.")
    rows = [
        [to(r["files"]), str(r["workers"]), number(r["ms"]), number(r["best_ms"]), f"{r['fraction']:.1%}"] for r in part["rows"]
    ]
    return " ".join(lines) + "\n\n" + rows_of(("slopes to", "cores", "ms per integration", "at best ms", "reached"), rows)


def memory_table(part: Results) -> str:
    """Peaks and growth."""
    rows = [
        [str(r["n"]), number(r["peak_mib"]), number(r["wall"]), *(number(r["seconds"].get(s)) for s in ("survey", "stream"))]
        for r in part["by_length"]
    ]
    text = rows_of(("integrations", "peak MiB", "wall s", "survey s", "stream s"), rows) + "\n\n"
    names = ("subarray", "groups", "n", "workers")
    rows = []
    for r in (*part["by_groups"], *part["by_pixels"], *part["by_workers"]):
        per = r["per_integration"]
        cells = [with_spread(per[s], 1e3) for s in ("stream wall", "stream cpu", "wall")]
        row = [*(str(r[k]) for k in names), *cells]
        if row not in rows:
            rows.append(row)
    header = ("detector stage", "groups", "integrations", "cores", "stream, ms per integration", "its CPU ms", "with survey ms")
    return text + rows_of(header, rows)


def start_table(part: Results) -> str:
    """Compilation."""
    return (
        f"{part['n']} integrations, whole process: first run {with_spread(part['first'])} s, second "
        f"{with_spread(part['second'])} s: {number(part['more_s'])} s more once."
    )


def quality_table(part: Results) -> str:
    """Every chain against the truth."""
    rows = [[r["who"], str(r["n"]), *(number(r["rows"].get(label)) for label in part["labels"])] for r in part["rows"]]
    text = rows_of(("", "integrations", *(words.strip() for words in part["labels"].values())), rows)
    missing = [f"{who} is not there yet" for who in part["missing"]]
    note = (
        "A low scatter of columns is skill only where depths scatter as little: a correction that takes some of a column's "
        "own light away shrinks noise and planet alike."
    )
    return "\n\n".join([text, note, *missing])


TITLES = {
    "detector": "Detector stage: counts in files to slopes",
    "one_over_f": "Detector stage with a group-level 1/f correction in both",
    "spectra": "Slopes to spectra and light curves",
    "exotedrf": "exoTEDRF on the same ramps",
    "job": "The whole job",
    "kernels": "Kernels beside their NumPy twins",
    "limit": "Against this machine's own limit",
    "memory": "Memory and growth",
    "start": "First run and second",
    "quality": "Quality against the truth",
}
SECTIONS = {
    "detector": stage_table,
    "one_over_f": stage_table,
    "spectra": spectra_table,
    "exotedrf": exotedrf_table,
    "job": job_table,
    "kernels": kernels_table,
    "limit": limit_table,
    "memory": memory_table,
    "start": start_table,
    "quality": quality_table,
}


# -- the README's table ------------------------------------------------------------------------------------------------


def readme_table(results: Results) -> str:
    """The few numbers a README shows, and where they are from."""
    parts = {name: part for name, part in results["parts"].items() if "skipped" not in part}
    rows: list[list[str]] = []
    titles = {"detector": "detector stage", "one_over_f": "detector stage with 1/f taken out of the groups in both"}
    for name, title in titles.items():
        if name in parts:
            rows += readme_stage(parts[name], title)
    if "spectra" in parts:
        plain, *mine = parts["spectra"]["rows"]
        usual, cores = min(USUAL, max(r["n"] for r in mine)), max(r["workers"] for r in mine)
        rows += [
            [
                f"slopes to light curves, {r['n']} integrations, {cores} cores",
                f"{1e3 * r['per_integration']['wall']['median']:.3g} ms",
                f"the tutorial in plain Python: {number(1e3 * plain['per_integration']['wall']['median'])} ms",
                f"{number(r['ratio'])} ({number(r['stream_ratio'])} without the survey)",
            ]
            for r in mine
            if r["n"] >= usual and r["workers"] == cores
        ]
    if "memory" in parts:
        peaks = parts["memory"]["by_length"]
        lengths = ", ".join(str(r["n"]) for r in peaks)
        theirs = [r for r in parts.get("detector", {}).get("rows", []) if r["who"] == "jwst"]
        large = max(theirs, key=lambda r: r["n"]) if theirs else None
        rows.append(
            [
                f"peak memory, whole job, {lengths} integrations",
                ", ".join(number(r["peak_mib"], 4) for r in peaks) + " MiB",
                f"jwst: {number(large['peak_mib'], 4)} MiB at {large['n']}" if large else "",
                "",
            ]
        )
    table = rows_of(("per integration of 6 groups, SUBSTRIP256", "tsoar", "others", "times faster"), rows)
    note = f"Measured by `make bench` on {where(results)} All of it: [benchmarks/results.md](benchmarks/results.md)."
    return f"{table}\n\n{note}\n\n![Time per integration, peak memory, kernels]({FIGURE.relative_to(ROOT)})"


def readme_stage(part: Results, title: str) -> list[list[str]]:
    """Exposures as long as observers take them, all cores, in memory and to files."""
    rows = []
    ratios = [r for r in part["ratios"] if r["what"] == "wall"]
    usual = min(USUAL, max(r["n"] for r in ratios))
    for ratio in (r for r in ratios if r["n"] >= usual):
        same = {"files": ratio["files"]}

        def find(who: str, n: int, workers: int, same: dict[str, Any] = same) -> float:
            for r in part["rows"]:
                if (r["who"], r["n"], r["workers"], r["files"]) == (who, n, workers, same["files"]):
                    return float(1e3 * r["per_integration"]["wall"]["median"])
            raise KeyError(who)

        mine = find("tsoar", ratio["n"], ratio["workers"])
        theirs = find("jwst", ratio["best_n"], ratio["best_workers"])
        rows.append(
            [
                f"{title}, counts in files to slopes in {to(ratio['files'])}, "
                f"{ratio['n']} integrations, {ratio['workers']} cores",
                f"{number(mine)} ms",
                f"jwst at its best ({ratio['best_n']} integrations in a file): {number(theirs)} ms",
                f"{number(ratio['ratio'])} ({number(ratio['stream_ratio'])} without the survey)",
            ]
        )
    return rows


# -- the figure --------------------------------------------------------------------------------------------------------


def figure(results: Results) -> Any:
    """Time per integration, peak memory, and what takes how long, as far as they were measured."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    from tsoar.plots.style import heading, legend, new_figure, plain

    parts = {name: part for name, part in results["parts"].items() if "skipped" not in part}
    drawn, axes = new_figure(1, 3, width=13.0, height=4.2)
    time, memory, kernels = axes[0]
    heading(time, "detector stage, counts to slopes in memory")
    heading(memory, "peak memory")
    for who in ("tsoar", "jwst"):
        rows = [r for r in parts.get("detector", {}).get("rows", []) if r["who"] == who and not r["files"]]
        most = max((r["workers"] for r in rows), default=1)
        cores = most if who == "tsoar" else 1
        mine = sorted((r for r in rows if r["workers"] == cores), key=lambda r: r["n"])
        label = f"{who}, {cores} core{'s' if cores > 1 else ''}"
        if mine:
            n = [r["n"] for r in mine]
            time.plot(n, [1e3 * r["per_integration"]["wall"]["median"] for r in mine], "o-", color=WHO[who], label=label)
            if who == "jwst":
                both = sorted((r for r in rows if r["workers"] == most > 1), key=lambda r: r["n"])
                if both:
                    walls = [1e3 * r["per_integration"]["wall"]["median"] for r in both]
                    time.plot([r["n"] for r in both], walls, "o--", color=WHO[who], mfc="white", label=f"jwst, {most} cores")
                memory.plot(n, [r["peak_mib"] for r in mine], "o-", color=WHO[who], label="jwst, detector stage")
            else:
                stream = [1e3 * r["per_integration"]["stream wall"]["median"] for r in mine]
                time.plot(n, stream, "o--", color=WHO[who], mfc="white", label="without the survey")
    peaks = parts.get("memory", {}).get("by_length", [])
    if peaks:
        memory.plot([r["n"] for r in peaks], [r["peak_mib"] for r in peaks], "o-", color=WHO["tsoar"], label="tsoar, whole job")
    for ax, what in ((time, "wall time per integration [ms]"), (memory, "peak memory [MiB]")):
        if ax.lines:
            lengths = sorted({float(n) for line in ax.lines for n in line.get_xdata()})
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xticks(lengths, [f"{n:g}" for n in lengths])
            ax.xaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            ax.yaxis.set_minor_locator(NullLocator())
            low, high = ax.get_ylim()
            ax.set_ylim(low / 1.5, high * 1.5)
        ax.set_xlabel("integrations in the exposure")
        ax.set_ylabel(what)
        plain(ax)
        legend(ax)
    rows = parts.get("kernels", {}).get("rows", [])
    heading(kernels, "kernels and their NumPy twins, one core")
    names = [r["name"].replace("._frame", "").replace("_row", "") for r in rows][::-1]
    place = range(len(rows))
    kernels.barh([p + 0.2 for p in place], [r["twin_ms"]["median"] for r in rows][::-1], 0.4, color="0.7", label="NumPy")
    kernels.barh(
        [p - 0.2 for p in place], [r["kernel_ms"]["median"] for r in rows][::-1], 0.4, color=WHO["tsoar"], label="tsoar"
    )
    kernels.set_yticks(list(place), names, fontsize=8)
    if rows:
        kernels.set_xscale("log")
    kernels.set_xlabel("time per integration [ms]")
    plain(kernels)
    legend(kernels)
    return drawn


if __name__ == "__main__":
    write(ROOT / "benchmarks", readme=True)
