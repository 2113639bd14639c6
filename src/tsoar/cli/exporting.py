"""Commands that hand a finished run on: to other programs, and to the list of references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tsoar.cli.group import cli, loudness, set_verbosity
from tsoar.cli.outcome import plain


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
@click.option(
    "--to",
    required=True,
    type=click.Choice(["chromatic", "eureka", "juliet", "exotedrf", "x1dints"]),
    help="Whose files.",
)
@click.option("--out", "folder", type=click.Path(), metavar="DIR", help="Where to write.  [default: OUT/export/...]")
@click.option("--resolution", type=click.FloatRange(min=1), metavar="R", help="Bins of this resolving power.")
@click.option("--order", "orders", multiple=True, type=click.IntRange(1, 3), metavar="N", help="[default: 1 and 2]")
@click.option("--author", default="", metavar="NAME", help="Written into chromatic's files.")
@click.option("--contact", default="", metavar="ADDRESS", help="The same.")
@loudness
@click.pass_context
def export(
    ctx: click.Context,
    out: str,
    to: Any,
    folder: str | None,
    resolution: float | None,
    orders: tuple[int, ...],
    author: str,
    contact: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write a run in the format of another program.

    OUT is the folder of a run. Spectra and light curves of every column, or of bins of --resolution. juliet takes a file a
    bin: give it --resolution.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.ecosystem.exporting import export as write

    paths = write(Path(out), to, out=folder, resolution=resolution, orders=orders or None, author=author, contact=contact)
    if not quiet:
        for path in paths[:10]:
            click.echo(plain(path))
        if len(paths) > 10:
            click.echo(f"and {len(paths) - 10} more")


@cli.command()
@click.argument("out", type=click.Path(), metavar="OUT")
@click.option("--bibtex", is_flag=True, help="As BibTeX.")
@loudness
@click.pass_context
def cite(ctx: click.Context, out: str, bibtex: bool, quiet: bool, verbose: bool) -> None:
    """Print the papers and software to cite.

    For exactly what was run: OUT is the folder of a run, with its fit if there is one.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.ecosystem.citing import cite as find

    found = find(Path(out))
    for line in (found.bibtex() if bibtex else found.text()).splitlines():
        click.echo(plain(line))
