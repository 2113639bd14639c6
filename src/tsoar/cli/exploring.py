"""The command that opens a page to look and try."""

from __future__ import annotations

from pathlib import Path

import click

from tsoar.cli.group import cli, loudness, paths, reference_files, set_verbosity, settings
from tsoar.cli.outcome import plain, say
from tsoar.cli.progress import shown
from tsoar.cli.reduction import open_all, settings_of
from tsoar.errors import ConfigError


@cli.command()
@paths
@reference_files
@settings
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port to listen on.  [default: a free one]")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@loudness
@click.pass_context
def explore(
    ctx: click.Context,
    paths: tuple[str, ...],
    refs: str | None,
    single: tuple[str, ...],
    config_file: str | None,
    overrides: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    port: int,
    no_browser: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Look at frames, ramps, light curves.

    PATHS is the folder of a run (its exposure and references are found from run.json; name them after it and with --refs
    when they have moved), or an exposure with --refs. A page opens in the browser, served to this machine only; change a
    setting there and see what it does. Ctrl-C ends it.
    """
    set_verbosity(ctx, quiet, verbose)
    from tsoar.explorer.app import application
    from tsoar.explorer.opening import inputs_of, is_run, open_run, read_record
    from tsoar.explorer.server import serve
    from tsoar.explorer.session import open_session

    first = Path(paths[0])
    if is_run(first):
        if config_file or overrides or skip or like:
            raise ConfigError("--config, --set, --skip, --like: a run has its settings already; change them on the page")
        files = paths[1:] or tuple(str(path) for path in inputs_of(read_record(first), first))
        exposure, references = open_all(files, refs, single)
        with shown(quiet) as progress:
            session = open_run(first, exposure, references, progress=progress, note=say)
    else:
        if first.is_dir() and not any(first.glob("*.fits")):
            read_record(first)  # says what is missing
        config = settings_of(config_file, overrides, skip, like)
        exposure, references = open_all(paths, refs, single)
        with shown(quiet) as progress:
            session = open_session(exposure, references, config, progress=progress)

    def ready(url: str) -> None:
        click.echo(f"{plain(url)}\nbound to this machine only (127.0.0.1); whoever has the address can look. Ctrl-C ends it.")
        if not no_browser:
            import webbrowser

            webbrowser.open(url)

    serve(application(session), port, ready)
    if not quiet:
        say("stopped")
