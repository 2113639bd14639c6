"""How a command ends: exit code 0 done, 2 the user's input, 130 interrupted, 1 a bug of ours; one line for each."""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback

import click

from tsoar.errors import TsoarError

DISK_FULL = ("No space left on device", "Not enough space on disk", "Disk quota exceeded")

LONGEST = 800
"""characters of a message"""
NOT_OURS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ENODEV, errno.ESTALE, errno.ETXTBSY),
)
"""what a file system refuses whatever the program: rights, read-only, broken disk, names, limits"""


def plain(text: object) -> str:
    """One line that does no harm on a terminal: what comes from a header may hold control characters.

    >>> plain("star\\x1b[2J\\nname")
    'star\\\\x1b[2J name'
    """
    line = " ".join(str(text).split("\n"))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def disk_full(error: BaseException) -> bool:
    """Whether a disk without room is behind an error; HDF5 and astropy say so in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    cause = error.__cause__ or error.__context__
    return any(words in str(error) for words in DISK_FULL) or (cause is not None and disk_full(cause))


def say(text: object) -> None:
    """A line on stderr, under the program's name; of an endless one (a header text may be) both ends."""
    line = plain(text)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 4 :]}"
    click.echo(f"tsoar: {line}", err=True)


def report_bug(error: Exception, verbose: bool) -> None:
    """Ask for a report, with the traceback in a file."""
    text = "".join(traceback.format_exception(error))
    line = f"{type(error).__name__}: {error}"
    if verbose:
        click.echo(text, err=True)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="tsoar-", suffix="-traceback.txt", delete=False, encoding="utf-8") as f:
            f.write(text)
        say(f"this is a bug in tsoar, please report: {line} (traceback in {f.name})")
    except OSError:
        say(f"this is a bug in tsoar, please report: {line} (--verbose shows the traceback)")


class Commands(click.Group):
    """The group of commands; what they raise becomes one line and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else ctx.command_path
            say(f"{error.format_message().rstrip('.')}; `{command} --help` lists what there is")
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            goes_on = {
                "run": "; `tsoar run --resume` goes on after the last finished segment",
                "study": "; the same command goes on after the last finished settings",
            }
            say(f"interrupted{goes_on.get(ctx.invoked_subcommand or '', '')}")
            ctx.exit(130)
        except BrokenPipeError:  # the reader of our output has gone (| head): nothing to say, nobody to say it to
            sys.stderr.close()
            ctx.exit(0)
        except Exception as error:
            if isinstance(error, TsoarError):
                say(error)
                ctx.exit(2)
            if disk_full(error):
                say(f"disk full: {error}; make room or choose another folder with --out")
                ctx.exit(2)
            if isinstance(error, OSError) and error.errno in NOT_OURS:
                where = "" if error.filename is None else f"{error.filename}: "
                say(f"{where}cannot be read or written ({error.strerror}); mend that, or choose another file or folder")
                ctx.exit(2)
            if isinstance(error, MemoryError):
                say("out of memory; try fewer --workers")
                ctx.exit(2)
            report_bug(error, bool(ctx.meta.get("tsoar.verbose")))
            ctx.exit(1)
