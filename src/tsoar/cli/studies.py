"""The command that tries every "what if"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tsoar.cli.group import cli, loudness, paths, reference_files, set_verbosity, settings
from tsoar.cli.outcome import plain
from tsoar.cli.progress import shown
from tsoar.cli.reduction import open_all, settings_of
from tsoar.errors import ConfigError


def cluster_client(address: str) -> Any:
    """A client of a running Dask scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("--cluster: needs Dask: pip install 'tsoar[cluster]'") from error
    try:
        return Client(address, timeout=20)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no scheduler answers there ({error}); expected e.g. tcp://host:8786"
        ) from error


@cli.command()
@paths
@reference_files
@click.option("--study", "name", metavar="NAME", help="A study that comes with tsoar: tutorial.")
@click.option("--grid", type=click.Path(), metavar="FILE", help="Settings to try, as TOML: [grid], [[setting]], [[part]].")
@click.option("--out", required=True, type=click.Path(), metavar="DIR", help="Folder for table, page and what is kept.")
@settings
@click.option("--planet", metavar="NAME", help="In the table of planets.  [default: the header's target]")
@click.option("--baseline", metavar="RANGES", help="Integrations outside the event, e.g. 0:50,70: (else found).")
@click.option("--truth", type=click.Path(), metavar="FILE", help="truth.nc of a simulation: errors of depths, and its orbit.")
@click.option("--resolution", type=click.FloatRange(min=1), metavar="R", help="Of the bins compared.  [default: 100]")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads; with --cluster: of a task.")
@click.option("--cluster", metavar="ADDRESS", help="Dask scheduler that takes the work, e.g. tcp://host:8786.")
@click.option("--fresh", is_flag=True, help="Do not take over settings that are finished already.")
@loudness
@click.pass_context
def study(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    name: str | None,
    grid: str | None,
    out: str,
    config_file: str | None,
    overrides: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    planet: str | None,
    baseline: str | None,
    truth: str | None,
    resolution: float | None,
    workers: int | None,
    cluster: str | None,
    fresh: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Try many settings and compare them.

    What settings share is computed once. Table, page and answers are written to OUT; a study that was cut off goes on when
    the command is given again. --config, --set, --skip and --like apply to every setting.
    """
    set_verbosity(ctx, quiet, verbose)
    if (name is None) == (grid is None):
        raise click.UsageError("give either --study NAME or --grid FILE.")
    from tsoar.studies.grid import named_studies, read_grid
    from tsoar.studies.run import RESOLUTION
    from tsoar.studies.run import study as compare

    if name is not None and name not in named_studies():
        raise ConfigError(f"--study {name}: expected one of {', '.join(named_studies())}, or --grid FILE")
    more = () if planet is None else (f"fit.planet={planet}",)
    config = settings_of(config_file, (*overrides, *more), skip, like)
    asked = read_grid(name if name is not None else Path(str(grid)), config)
    exposure, references = open_all(paths, refs, single)
    executor = None if cluster is None else cluster_client(cluster)
    try:
        with shown(quiet) as progress:
            done = compare(
                exposure,
                references,
                asked,
                out=out,
                baseline=baseline,
                truth=truth,
                resolution=resolution or RESOLUTION,
                workers=workers,
                executor=executor,
                fresh=fresh,
                progress=progress,
            )
    finally:
        if executor is not None:
            executor.close()
    if not quiet:
        for line in done.summary():
            click.echo(plain(line))
