"""The command inspect: an exposure looked at step by step, pixel by pixel, flag by flag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tsoar.cli.group import cli, loudness, paths, print_table, reference_files, set_verbosity, settings
from tsoar.cli.outcome import plain
from tsoar.cli.progress import Progress, shown
from tsoar.cli.reduction import open_all, settings_of
from tsoar.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tsoar.io.exposure import Exposure
    from tsoar.io.references import References


@cli.command()
@paths
@reference_files
@click.option("--integration", type=click.IntRange(min=0), default=0, show_default=True, help="Which to look at.")
@click.option("--out", type=click.Path(), metavar="DIR", help="Folder for the figures.  [default: named after the exposure]")
@click.option("--run", "run_folder", type=click.Path(), metavar="OUT", help="A finished run: its deep stack and settings.")
@click.option("--only-through", metavar="STEP", help="Walk no further than this step.")
@click.option("--pixel", "pixels", multiple=True, metavar="ROW,COLUMN", help="Only the ramp of this pixel, e.g. 45,1500.")
@click.option("--column", type=click.IntRange(min=0), metavar="N", help="Column whose profile is shown.  [default: 1500]")
@click.option("--dq", metavar="NAMES", help="Only maps of these flags, e.g. SATURATED,JUMP_DET; all: those that occur.")
@click.option("--sweep", metavar="LOW:HIGH", help="Only the jump threshold swept, e.g. 3:15 or 3:15:0.25.")
@click.option("--saturated", is_flag=True, help="List saturated pixels with value and limit (needs the reference).")
@click.option("--flags", "names", metavar="NAMES", help="Count flags by name, e.g. SATURATED,DEAD; all: every flag.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Lines of a list at most.")
@settings
@loudness
@click.pass_context
def inspect(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    integration: int,
    out: str | None,
    run_folder: str | None,
    only_through: str | None,
    pixels: tuple[str, ...],
    column: int | None,
    dq: str | None,
    sweep: str | None,
    saturated: bool,
    names: str | None,
    limit: int,
    config_file: str | None,
    overrides: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Look at an exposure: step by step, pixel by pixel, flag by flag.

    With reference files one integration is walked through the detector steps; a line says what each step changed, and
    figures before and after each are saved. Without any, what the exposure is.
    """
    set_verbosity(ctx, quiet, verbose)
    wanted = [pixel_of(text) for text in pixels]
    exposure, references = open_all(paths, refs, single)
    if integration >= exposure.n_integrations:
        raise ConfigError(f"--integration {integration}: {exposure.stem} has 0 to {exposure.n_integrations - 1}")
    if saturated:
        list_saturated(exposure, references, integration, limit)
    if names is not None:
        count_flags(exposure, references, integration, names)
    only = Only(tuple(wanted), dq, sweep)
    if only or out is not None or (references is not None and not saturated and names is None):
        if exposure.kind == "uncal" and references is None:
            raise ConfigError(f"{exposure.stem}: to walk through its steps, reference files are needed: --refs DIR or crds")
        asked = bool(config_file or overrides or skip or like)
        base = like or (run_folder if run_folder is not None else None)
        config = settings_of(config_file, overrides, skip, base) if asked or base else None
        folder = Path(out or f"{exposure.stem}_integration{integration}")
        with shown(quiet) as progress:
            tour(
                exposure,
                references,
                {"integration": integration, "config": config, "run": run_folder, "only_through": only_through},
                only,
                folder,
                column,
                quiet,
                progress,
            )
    elif not saturated and names is None:
        from tsoar.reduce import inspect as look

        for name, value in look.exposure_lines(exposure):
            click.echo(f"{name:18}{plain(value)}")


def pixel_of(text: str) -> tuple[int, int]:
    """Row and column of a pixel."""
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--pixel {text}: expected ROW,COLUMN counted from 0, e.g. 45,1500") from error
    return row, column


class Only(NamedTuple):
    """The single looks asked for."""

    pixels: tuple[tuple[int, int], ...]
    dq: str | None
    sweep: str | None

    def __bool__(self) -> bool:
        return bool(self.pixels) or self.dq is not None or self.sweep is not None


def tour(
    exposure: Exposure,
    references: References | None,
    asked: dict[str, Any],
    only: Only,
    folder: Path,
    column: int | None,
    quiet: bool,
    progress: Progress | None,
) -> None:
    """Walk one integration as ``asked``, say what changed, save all figures or ``only`` some."""
    from tsoar import flags
    from tsoar.reduce.sweep import cosmic_rays, jump_sweep, sweep_look, thresholds
    from tsoar.reduce.tour import dq_looks, looks, pixel_look
    from tsoar.reduce.walk import lines, walk_steps

    pixels, dq, sweep = only
    swept = None if sweep is None else thresholds(sweep)
    named = "" if dq is None or dq.strip().lower() == "all" else dq
    flags.value(named)
    if column is not None and column >= exposure.readout.shape[1]:
        raise ConfigError(f"--column {column}: {exposure.stem} has 0 to {exposure.readout.shape[1] - 1}")
    walked = walk_steps(exposure, references, progress=progress, **asked)
    kept = Gallery(folder)
    for row, place in pixels:
        told, figure = pixel_look(walked, row, place)
        for line in told:
            click.echo(plain(line))
        kept.save(f"pixel_{row}_{place}", "ramp", figure)
    if dq is not None:
        for name, kind, draw in dq_looks(walked, named):
            kept.save(name, kind, draw())
    if swept is not None:
        table = jump_sweep(walked, swept)
        least, most = cosmic_rays(walked)
        header = ["threshold", "reads", "with neighbours", "pixels", "noise alone"]
        rows = [
            [f"{t['threshold']:g}", str(t["reads"]), str(t["reads"] + t["neighbours"]), str(t["pixels"]), small(t["noise"])]
            for t in table
        ]
        print_table(header, rows, right=True)
        click.echo(f"cosmic rays are expected in {least:.0f} to {most:.0f} reads of this integration")
        kept.save("jump_sweep", "jump_sweep", sweep_look(walked, table))
    if not only:
        if not quiet:
            for step, text in lines(walked):
                click.echo(f"{step:14}{plain(text)}")
        for name, kind, draw in looks(walked, column):
            kept.save(name, kind, draw())
    kept.close()
    if not quiet:
        click.echo(f"figures: {plain(folder)} ({len(kept.names)}, with captions.txt)")


def small(number: float) -> str:
    """A number of reads that may be next to nothing."""
    return f"{number:.3g}" if number >= 0.001 else "< 0.001"


class Gallery:
    """A folder of numbered figures and what to look for in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.captions: list[str] = []

    def save(self, name: str, kind: str, figure: Figure) -> None:
        """One more figure as PNG."""
        from tsoar.io.datasets import atomic
        from tsoar.plots import CAPTIONS
        from tsoar.report.page import png

        file = f"{len(self.names) + 1:02d}_{name}.png"
        with atomic(self.folder / file) as part:
            part.write_bytes(png(figure))
        self.names.append(file)
        self.captions.append(f"{file}\n    {CAPTIONS[kind]}\n")

    def close(self) -> None:
        """Write the captions."""
        from tsoar.io.datasets import write_text

        write_text("\n".join(self.captions), self.folder / "captions.txt")


def list_saturated(exposure: Exposure, references: References | None, integration: int, limit: int) -> None:
    """Print saturated pixels beside their limits."""
    from tsoar.reduce import inspect as look

    if exposure.kind != "uncal" or references is None:
        raise ConfigError("--saturated: expected counts (uncal) and --refs DIR or --ref saturation=FILE")
    block = look.flagged_ramps(exposure, references, slice(integration, integration + 1))
    table = look.saturated_table(block, references.cut("saturation", exposure.readout))
    above = int((table["value"] >= table["limit"]).sum())
    click.echo(f"integration {integration}: {len(table)} pixels flagged SATURATED, {above} of them at or above their limit")
    header = ["row", "column", "first group", "value [DN]", "limit [DN]"]
    rows = [
        [*(str(r[name]) for name in ("row", "column", "group")), f"{r['value']:.0f}", f"{r['limit']:.0f}"]
        for r in table[:limit]
    ]
    print_table(header, rows, right=True)
    if len(table) > limit:
        click.echo(f"... and {len(table) - limit} more (--limit {len(table)} shows all)")


def count_flags(exposure: Exposure, references: References | None, integration: int, names: str) -> None:
    """Print how often each flag is set."""
    from tsoar.reduce import inspect as look

    one = slice(integration, integration + 1)
    block: Any = look.flagged_ramps(exposure, references, one) if exposure.kind == "uncal" else exposure.slopes(one)
    wanted = "" if names.strip().lower() == "all" else names
    for array, counts in look.flag_counts(block, wanted).items():
        click.echo(f"{array} of integration {integration}, {getattr(block, array).size} values")
        print_table(["flag", "values"], [[name, str(n)] for name, n in counts.items()], right=True)
