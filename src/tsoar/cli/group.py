"""What the commands share: the group, options that several have, messages, tables."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from tsoar import __version__
from tsoar.cli.outcome import Commands, plain

Command = Callable[..., Any]


class Messages(logging.Handler):
    """The library's log messages as lines on stderr (looked up late: a progress bar replaces it)."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        word = "warning: " if record.levelno >= logging.WARNING else ""
        sys.stderr.write(f"tsoar: {word}{plain(record.getMessage())}\n")


@contextmanager
def listening(quiet: bool, verbose: bool) -> Iterator[None]:
    """Show the library's log, as much as asked for; warnings of other packages only with --verbose."""
    log, handler = logging.getLogger("tsoar"), Messages()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING)
    try:
        with warnings.catch_warnings():
            if not verbose:
                warnings.simplefilter("ignore")
            yield
    finally:
        log.removeHandler(handler)


def set_verbosity(ctx: click.Context, quiet: bool, verbose: bool) -> None:
    """Until the command ends."""
    ctx.meta["tsoar.verbose"] = verbose
    ctx.with_resource(listening(quiet, verbose))


def several(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that more than one command has, as one decorator."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


loudness = several(
    click.option("--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("--verbose", is_flag=True, help="Say more; show tracebacks."),
)
settings = several(
    click.option("--config", "config_file", type=click.Path(), metavar="FILE", help="Settings as TOML (see `tsoar config`)."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting, e.g. jump.threshold=10."),
    click.option("--skip", multiple=True, metavar="STEP", help="Leave a step out."),
    click.option("--like", metavar="NAME|run.json", help="Start from 'tutorial', 'jwst', or an earlier run's settings."),
)
reference_files = several(
    click.option("--refs", metavar="DIR|crds", help="Folder of reference files, or crds."),
    click.option("--ref", "single", multiple=True, metavar="TYPE=FILE", help="One reference file."),
)
extent = several(
    click.option("--only-through", metavar="STEP", help="Stop after this step."),
    click.option("--save", multiple=True, metavar="STEP", help="Write the product of this step too; x1dints: tables."),
)
paths = click.argument("paths", nargs=-1, required=True, metavar="PATHS...")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tsoar")
def cli() -> None:
    """JWST NIRISS/SOSS time series: from raw reads to light curves."""


def print_table(header: list[str], rows: list[list[str]], right: bool = False, whole: tuple[str, ...] = ()) -> None:
    """A table on stdout, as wide as the terminal (120 columns where there is none); ``whole`` columns are not broken."""
    import shutil

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = column.header in whole
        column.justify = "right" if right else "left"
    for row in rows:
        table.add_row(*(Text("\n".join(plain(line) for line in cell.split("\n"))) for cell in row))
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120
    Console(file=sys.stdout, width=width, highlight=False).print(table)
