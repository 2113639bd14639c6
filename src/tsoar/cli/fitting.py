"""The command that fits the planet's spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tsoar.cli.group import cli, loudness, set_verbosity
from tsoar.cli.outcome import plain
from tsoar.cli.progress import shown

if TYPE_CHECKING:
    from tsoar.blocks import F64


def read_edges(path: str) -> F64:
    """Wavelengths [um] of a text file: numbers apart by spaces, commas or lines; what follows # is not read."""
    import numpy as np

    from tsoar.errors import ConfigError

    expected = "expected two or more wavelengths [um], apart by spaces, commas or lines"
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"--edges {path}: cannot be read ({error.strerror}); {expected}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--edges {path}: not text; {expected}") from error
    words = " ".join(line.partition("#")[0] for line in text.splitlines()).replace(",", " ").split()
    try:
        edges = np.unique([float(w) for w in words])
    except ValueError:
        bad = next(w for w in words if not _number(w))
        raise ConfigError(f"--edges {path}: {bad[:40]!r} is not a number; {expected}") from None
    if edges.size < 2 or not np.isfinite(edges).all():
        raise ConfigError(f"--edges {path}: holds {edges.size} different wavelengths; {expected}")
    return edges


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
@click.option("--planet", metavar="NAME", help="In the table of planets, e.g. 'WASP-39 b'.  [default: the header's target]")
@click.option("--event", type=click.Choice(["transit", "eclipse"]), help="[default: transit]")
@click.option("--resolution", type=click.FloatRange(min=1), metavar="R", help="Bins of this resolving power.")
@click.option("--bins", "n_columns", type=click.IntRange(min=1), metavar="N", help="Bins of N columns.")
@click.option("--edges", type=click.Path(), metavar="FILE", help="Bins between these wavelengths [um].")
@click.option(
    "--limb-darkening",
    metavar="KIND|FILE",
    help="smooth (one curve of wavelength, fitted), free (each bin), fixed (fit.u1, fit.u2), or an ECSV table.",
)
@click.option(
    "--regress",
    metavar="NAMES",
    help="Trace motion in the baseline: auto (where white light asks for it; the default), none, or shift,width.",
)
@click.option("--sample", is_flag=True, help="Posterior of the white light too (dynesty).")
@click.option("--config", "config_file", type=click.Path(), metavar="FILE", help="Settings as TOML, section [fit].")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. fit.period=0.8135.")
@loudness
@click.pass_context
def fit(
    ctx: click.Context,
    out: str,
    planet: str | None,
    event: str | None,
    resolution: float | None,
    n_columns: int | None,
    edges: str | None,
    limb_darkening: str | None,
    regress: str | None,
    sample: bool,
    config_file: str | None,
    overrides: tuple[str, ...],
    quiet: bool,
    verbose: bool,
) -> None:
    """Fit the planet's spectrum.

    OUT is the folder of a run. White light of orders 1 and 2 together, then every column (or bin) with that orbit; the
    spectrum is written to OUT/planet_spectrum.ecsv.
    """
    set_verbosity(ctx, quiet, verbose)
    given = {"--resolution": resolution, "--bins": n_columns, "--edges": edges}
    if sum(v is not None for v in given.values()) > 1:
        raise click.UsageError(f"{' and '.join(k for k, v in given.items() if v is not None)}: give one of them.")
    from tsoar.config import load
    from tsoar.reduce.fit import fit as find

    folder = Path(out)
    config = load(config_file, overrides=overrides, like=folder if (folder / "run.json").exists() else None)
    with shown(quiet) as progress:
        found = find(
            folder,
            planet=planet,
            event=event,
            resolution=resolution,
            n_columns=n_columns,
            edges=None if edges is None else read_edges(edges),
            limb_darkening=limb_darkening,
            regress=None if regress is None else [n for name in regress.split(",") if (n := name.strip()) not in ("", "none")],
            sample=sample,
            config=config,
            progress=progress,
        )
    if not quiet:
        for line in found.summary():
            click.echo(plain(line))
