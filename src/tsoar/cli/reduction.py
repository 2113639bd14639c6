"""Commands on an exposure: run, plan, config, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tsoar import __version__
from tsoar.cli.group import cli, extent, loudness, paths, print_table, reference_files, set_verbosity, settings
from tsoar.cli.outcome import plain, say
from tsoar.errors import ConfigError

if TYPE_CHECKING:
    from tsoar.config import Config
    from tsoar.io.exposure import Exposure
    from tsoar.io.references import References


def open_all(paths: tuple[str, ...], refs: str | None, single: tuple[str, ...]) -> tuple[Exposure, References | None]:
    """The exposure, and its references where any are named."""
    from tsoar.io.exposure import open_exposure
    from tsoar.io.references import KINDS, references

    overrides: dict[str, Any] = {}
    for text in single:
        kind, equals, file = text.partition("=")
        if not (kind and equals and file):
            raise ConfigError(f"--ref {text}: expected TYPE=FILE, e.g. superbias=my_superbias.fits")
        overrides[kind.strip().lower()] = file
    unknown = sorted(set(overrides) - set(KINDS))
    if unknown:
        raise ConfigError(f"--ref {unknown[0]}: expected one of {', '.join(KINDS)}")
    exposure = open_exposure(list(paths))
    if refs is None and not overrides:
        return exposure, None
    crds = refs == "crds"
    return exposure, references(None if crds else refs, crds=crds, exposure=exposure, **overrides)


def settings_of(config_file: str | None, overrides: tuple[str, ...], skip: tuple[str, ...], like: str | None) -> Config:
    """The settings asked for."""
    from tsoar.config import load

    return load(config_file, overrides=overrides, like=like, skip=skip)


def asked_before(like: str | None) -> dict[str, Any]:
    """What the run of a run.json was asked besides its settings; empty for a named configuration."""
    from tsoar.config import presets, read_run

    return {} if like is None or like in presets() else read_run(like)


@cli.command()
@paths
@reference_files
@click.option("--out", required=True, type=click.Path(), metavar="DIR", help="Folder for the products.")
@settings
@extent
@click.option("--baseline", metavar="RANGES", help="Integrations outside the event, e.g. 0:50,70: (else found).")
@click.option("--products", type=click.Choice(["all", "spectra"]), help="spectra: no slope cubes.  [default: all]")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]")
@click.option("--resume", is_flag=True, help="Take over the finished segments of a run that was cut off.")
@loudness
@click.pass_context
def run(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    out: str,
    config_file: str | None,
    overrides: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    only_through: str | None,
    save: tuple[str, ...],
    baseline: str | None,
    products: str | None,
    workers: int | None,
    resume: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Reduce an exposure.

    Counts (uncal) or slopes in; slopes, spectra, light curves and a report out. PATHS are the segments of one exposure,
    in any order, or the folder they are in.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.cli.progress import shown

    config = settings_of(config_file, overrides, skip, like)
    before = asked_before(like)
    options = before.get("options", {})
    exposure, references = open_all(paths, refs, single)
    for text in differences(before, exposure):
        say(text)
    from tsoar.reduce.run import run as reduce

    with shown(quiet) as progress:
        result = reduce(
            exposure,
            references,
            out=out,
            config=config,
            baseline=baseline or options.get("baseline"),
            products=products or options.get("products") or "all",
            save=save or tuple(options.get("save") or ()),
            only_through=only_through or options.get("only_through"),
            workers=workers,
            resume=resume,
            progress=progress,
        )
    if not quiet:
        for line in result.summary():
            click.echo(plain(line))


def differences(before: dict[str, Any], exposure: Exposure) -> list[str]:
    """Why a run like ``before`` will not give the same bytes: other inputs, another version."""
    if not before:
        return []
    notes = []
    then = {(i.get("name"), i.get("bytes")) for i in before.get("inputs", [])}
    now = {(s.path.name, s.size) for s in exposure.segments}
    if then != now:
        names = ", ".join(sorted(str(name) for name, _ in then))
        notes.append(f"note: other input than the run that is repeated (that was {names}); products will differ")
    if before.get("tsoar") != __version__:
        notes.append(f"note: that run was made with tsoar {before.get('tsoar')}, this is {__version__}; products may differ")
    return notes


@cli.command()
@settings
def config(config_file: str | None, overrides: tuple[str, ...], skip: tuple[str, ...], like: str | None) -> None:
    """Print all settings as commented TOML.

    Ready to be edited and given back with --config.
    """
    from tsoar.config import template

    click.echo(template(settings_of(config_file, overrides, skip, like)), nl=False)


@cli.command()
@paths
@reference_files
@settings
@extent
@loudness
@click.pass_context
def plan(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    config_file: str | None,
    overrides: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    only_through: str | None,
    save: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> None:
    """Print what a run would do.

    The ordered steps with parameters, references, what each reads and writes.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.reduce.plan import make_plan

    config = settings_of(config_file, overrides, skip, like)
    options = asked_before(like).get("options", {})
    exposure, references = open_all(paths, refs, single)
    made = make_plan(
        exposure,
        references,
        config,
        only_through=only_through or options.get("only_through"),
        save=save or tuple(options.get("save") or ()),
    )
    rows = made.rows()
    if rows:
        for row in rows:
            row["references"] = row["references"].replace(", ", "\n")
        print_table([*rows[0]], [[str(v) for v in row.values()] for row in rows], whole=("step", "references"))
    for note in made.notes:
        click.echo(f"note: {plain(note)}")


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
def report(out: str) -> None:
    """Print the numbers of a finished run.

    Each with criterion and verdict; OUT is the folder of the run.
    """
    from tsoar.io.datasets import read_json
    from tsoar.report.page import number_rows

    folder = Path(out)
    diagnostics = read_json(folder / "diagnostics.json")
    print_table(["number", "value", "criterion", "verdict"], [list(row) for row in number_rows(diagnostics)])
    for note in diagnostics.get("notes", []):
        click.echo(f"note: {plain(note)}")
    click.echo(f"page: {plain(folder / 'report.html')}")
