"""Commands that prove a reduction on one's own data: budget, inject."""

from __future__ import annotations

from pathlib import Path

import click

from tsoar.cli.group import cli, loudness, print_table, reference_files, set_verbosity
from tsoar.cli.outcome import plain
from tsoar.cli.progress import shown
from tsoar.errors import ConfigError

workers_option = click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]")


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
@click.option(
    "--steps", metavar="NAMES", help="Left out one at a time, or none.  [default: one_over_f,jump,refpix,linearity,clean]"
)
@click.option("--exposure", "files", multiple=True, type=click.Path(), metavar="PATH", help="The exposure, if it has moved.")
@reference_files
@workers_option
@loudness
@click.pass_context
def budget(
    ctx: click.Context,
    out: str,
    steps: str | None,
    files: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    workers: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Split the scatter of a run into its sources.

    OUT is the folder of a run on counts. Photon, read and 1/f noise and what is left over, by order and wavelength, for the
    run and with steps left out (which reduces the exposure again: a short run each).
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.cli.reduction import open_all
    from tsoar.io.references import references
    from tsoar.proof.budget import STEPS
    from tsoar.proof.budget import budget as split

    names = STEPS if steps is None else tuple(s for s in (n.strip() for n in steps.split(",")) if s and s != "none")
    exposure = given = None
    if files:
        exposure, given = open_all(files, refs, single)
    elif single:
        raise ConfigError("--ref: give --exposure too, whose references these are")
    elif refs is not None:
        given = references(None if refs == "crds" else refs, crds=refs == "crds")
    with shown(quiet) as progress:
        found = split(out, steps=names, exposure=exposure, references=given, workers=workers, progress=progress)
    if not quiet:
        print_table(found.header(), found.rows(), right=True)
        for line in found.summary():
            click.echo(plain(line))


def pair(text: str | None) -> tuple[float, float]:
    """u1, u2 of --limb."""
    if text is None:
        return 0.0, 0.0
    try:
        first, second = (float(v) for v in text.split(","))
    except ValueError:
        raise ConfigError(f"--limb {text}: expected two numbers, u1,u2") from None
    return first, second


@cli.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATHS...")
@reference_files
@click.option("--out", type=click.Path(), metavar="DIR", help="Folder for the new exposure.")
@click.option("--depth", type=float, metavar="D", help="Transit: (Rp/R*)^2 at all wavelengths, e.g. 0.01.")
@click.option("--spectrum", type=click.Path(), metavar="FILE", help="Transit: depths from ECSV or two columns [um], depth.")
@click.option("--t-mid", type=float, metavar="T", help="Its middle, as the exposure's times [d].  [default: the exposure's]")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="H", help="First to fourth contact [h].")
@click.option("--planet", metavar="NAME", help="Orbit of this planet of the table.  [default: edge-on]")
@click.option("--limb", metavar="U1,U2", help="Quadratic limb darkening.  [default: 0,0]")
@click.option("--hits", type=click.IntRange(min=0), default=0, metavar="N", help="Cosmic-ray hits of single pixels.")
@click.option("--charge", type=click.FloatRange(min=0, min_open=True), metavar="E", help="Electrons of a hit.  [default: 2000]")
@click.option("--drift", type=float, default=0.0, metavar="PX", help="Trace motion along rows, first to last integration.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N", help="Of all that is drawn.")
@click.option("--no-sampling", is_flag=True, help="Take photons by their share, not by chance.")
@click.option("--check", is_flag=True, help="Reduce both and compare; or, PATHS being two runs, compare them.")
@click.option("--truth", type=click.Path(), metavar="FILE", help="--check of two runs: injected.nc.  [default: found]")
@click.option(
    "--bins",
    "n_columns",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    metavar="N",
    help="--check: columns in a bin.",
)
@workers_option
@loudness
@click.pass_context
def inject(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    out: str | None,
    depth: float | None,
    spectrum: str | None,
    t_mid: float | None,
    duration: float | None,
    planet: str | None,
    limb: str | None,
    hits: int,
    charge: float | None,
    drift: float,
    seed: int,
    no_sampling: bool,
    check: bool,
    truth: str | None,
    n_columns: int,
    workers: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Put a transit, hits or a drift into raw counts.

    PATHS are the uncal segments of an exposure; new ones are written to --out. --check reduces the exposure before and
    after (DIR/original, DIR/injected) and reports recovered minus injected. With nothing to put in, PATHS of --check are
    two runs: the one before and the one after.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.proof.recovered import compare

    if depth is not None and spectrum is not None:
        raise click.UsageError("--depth and --spectrum: give one of them.")
    wanted = depth is not None or spectrum is not None or hits > 0 or drift != 0
    if check and not wanted:
        if len(paths) != 2:
            raise click.UsageError(f"--check of runs takes two folders, before and after; got {len(paths)}.")
        report(compare(paths[0], paths[1], truth=truth, n_columns=n_columns), quiet)
        return
    if depth is None and spectrum is None and (t_mid, duration, planet, limb) != (None,) * 4:
        raise click.UsageError("--t-mid, --duration, --planet, --limb shape a transit: give --depth or --spectrum.")
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    from tsoar.cli.reduction import open_all
    from tsoar.proof.inject import CHARGE
    from tsoar.proof.inject import inject as put
    from tsoar.proof.put_in import Transit

    transit = None
    if depth is not None or spectrum is not None:
        transit = Transit(depth, None if spectrum is None else Path(spectrum), t_mid, duration, planet, pair(limb))
    exposure, references = open_all(paths, refs, single)
    if references is None:
        raise ConfigError("counts need reference files: give a folder (--refs DIR) or --refs crds")
    with shown(quiet) as progress:
        made = put(
            exposure,
            references,
            out,
            transit=transit,
            hits=hits,
            charge=CHARGE if charge is None else charge,
            drift=drift,
            seed=seed,
            sampling=not no_sampling,
            workers=workers,
            progress=progress,
        )
        if check:
            from tsoar.io.exposure import open_exposure
            from tsoar.reduce.run import run

            runs = []
            for name, what in (("original", exposure), ("injected", open_exposure(made.segments))):
                products = "all" if hits else "spectra"
                runs.append(run(what, references, out=Path(out) / name, products=products, workers=workers, progress=progress))
            found = compare(*runs, truth=made.truth, n_columns=n_columns)
    if not quiet:
        for line in made.lines:
            click.echo(f"injected: {plain(line)}")
        click.echo(f"counts: {plain(made.folder)}, record: {plain(made.truth)}")
    if check:
        report(found, quiet)


def report(found: object, quiet: bool) -> None:
    """Recovered minus injected, as a table and in words."""
    from tsoar.proof.recovered import Recovered
    from tsoar.units import PPM

    assert isinstance(found, Recovered)
    if quiet:
        return
    if found.spectrum is not None:
        names = ("injected", "recovered", "difference", "error", "single")
        rows = [
            [
                str(r["order"]),
                f"{r['wavelength']:.4f}",
                *(f"{PPM * float(r[n]):+.1f}" if n == "difference" else f"{PPM * float(r[n]):.1f}" for n in names),
            ]
            for r in found.spectrum
        ]
        print_table(["order", "wavelength [um]", *(f"{n} [ppm]" for n in names)], rows, right=True)
    for line in found.summary():
        click.echo(plain(line))
    click.echo(f"written: {plain(found.out)}")
