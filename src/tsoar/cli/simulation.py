"""Commands on exposures whose truth is known: simulate, score, demo."""

from __future__ import annotations

from pathlib import Path

import click

from tsoar.cli.group import cli, loudness, set_verbosity
from tsoar.cli.outcome import plain, say
from tsoar.cli.progress import shown

workers_option = click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]")


@cli.command()
@click.option("--out", type=click.Path(), metavar="DIR", help="Folder for segments, reference files and truth.")
@click.option("--target", default="wasp-43", show_default=True, metavar="NAME", help="wasp-43, wasp-39 or wasp-96.")
@click.option("--config", "config_file", type=click.Path(), metavar="FILE", help="Settings as TOML, over the target's.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. star.jmag=8.5.")
@click.option("--print-config", is_flag=True, help="Print every setting with unit and source instead.")
@click.option("--nints", type=int, metavar="N", help="Integrations.  [default: 120]")
@click.option("--ngroups", type=int, metavar="N", help="Groups of an integration.  [default: 6]")
@click.option("--subarray", metavar="NAME", help="SUBSTRIP256 or SUBSTRIP96.  [default: SUBSTRIP256]")
@click.option("--segments", type=int, metavar="N", help="Files.  [default: 2]")
@click.option("--seed", type=int, metavar="N", help="Of all that is drawn.  [default: 1]")
@click.option("--event", metavar="KIND", help="transit, eclipse or none.  [default: transit]")
@workers_option
@loudness
@click.pass_context
def simulate(
    ctx: click.Context,
    out: str | None,
    target: str,
    config_file: str | None,
    overrides: tuple[str, ...],
    print_config: bool,
    nints: int | None,
    ngroups: int | None,
    subarray: str | None,
    segments: int | None,
    seed: int | None,
    event: str | None,
    workers: int | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make an exposure whose truth is known.

    Raw counts as the observatory delivers them, the reference files that belong to them, and truth.nc.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.sim.parameters import scenario, template

    wanted = {
        "exposure.nints": nints,
        "exposure.ngroups": ngroups,
        "exposure.subarray": subarray,
        "exposure.segments": segments,
        "seed": seed,
        "planet.event": event,
    }
    if segments is None and nints == 1:
        wanted["exposure.segments"] = 1
    made_of = scenario(config_file, target=target, overrides=overrides, values=wanted)
    if print_config:
        click.echo(template(made_of), nl=False)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    from tsoar.sim.exposure import simulate as make

    with shown(quiet) as progress:
        made = make(made_of, out, workers=workers, progress=progress)
    if not quiet:
        names = f"{plain(made.segments[0].name)}" + (f" and {len(made.segments) - 1} more" if len(made.segments) > 1 else "")
        click.echo(f"counts: {plain(made.folder / names)}")
        click.echo(f"references: {plain(made.references)}")
        click.echo(f"truth: {plain(made.truth)}")


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
@click.option("--truth", required=True, type=click.Path(), metavar="FILE", help="truth.nc of the exposure (or a truth.npz).")
@click.option(
    "--json", "json_file", type=click.Path(), metavar="FILE", help="Write every number as JSON too; -: to stdout only."
)
@loudness
@click.pass_context
def score(ctx: click.Context, out: str, truth: str, json_file: str | None, quiet: bool, verbose: bool) -> None:
    """Hold a run against the truth.

    OUT is the folder of a run on a simulated exposure. Each number stands beside what a perfect reduction would give.
    """
    set_verbosity(ctx, quiet, verbose)
    import json

    from tsoar.io.datasets import write_text
    from tsoar.scoring import score as hold

    found = hold(out, truth)
    text = json.dumps(found.to_dict(), indent=1)
    if json_file == "-":
        click.echo(text)
        return
    if json_file is not None:
        write_text(text + "\n", Path(json_file))
    if not quiet:
        for line in found.lines():
            click.echo(plain(line))


@cli.command()
@click.option("--out", default="demo", show_default=True, type=click.Path(), metavar="DIR", help="Folder for everything.")
@click.option("--nints", type=click.IntRange(min=20), default=120, show_default=True, metavar="N", help="Integrations.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N", help="Of the simulation.")
@workers_option
@loudness
@click.pass_context
def demo(ctx: click.Context, out: str, nints: int, seed: int, workers: int | None, quiet: bool, verbose: bool) -> None:
    """Simulate, reduce and score a transit of WASP-43 b.

    120 integrations of 6 groups in two segments; then look at the report.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.demo import demo as play

    with shown(quiet) as progress:
        played = play(out, nints=nints, seed=seed, workers=workers, progress=progress)
    if not quiet:
        for line in played.lines():
            click.echo(plain(line))
    else:
        say(f"report: {played.report}")
