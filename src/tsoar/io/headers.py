"""Files that others wrote: whatever is wrong with one ends in one line, and a broken card costs that card only."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from tsoar.errors import InputError, TsoarError


@contextmanager
def reading(what: str, refuse: type[InputError]) -> Iterator[None]:
    """Whatever the FITS library fails with inside the block becomes ``refuse``, in one line.

    Raises
    ------
    InputError
        The class given, for any failure.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # sizes and keywords are checked by us
            yield
    except TsoarError:
        raise
    except Exception as error:  # on broken files astropy fails in ways that no list of exceptions covers
        lines = str(error).splitlines()
        reason = lines[0] if lines else type(error).__name__
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        elif isinstance(error, (AttributeError, TypeError)):
            reason = "an extension is broken"
        raise refuse(f"{what}: cannot be read as FITS ({reason}); is the file whole? fetch it again") from error


def need_regular_file(path: Path, what: str, refuse: type[InputError]) -> int:
    """Size of a file in bytes; folders, pipes and devices are refused (opening a pipe would wait for ever)."""
    try:
        status = path.stat()
    except OSError as error:
        raise refuse(f"{what}: cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise refuse(f"{what}: not a regular file, expected FITS")
    if not os.access(path, os.R_OK):
        raise refuse(f"{what}: cannot be opened (Permission denied)")
    if status.st_size == 0:
        raise refuse(f"{what}: cannot be read as FITS (the file is empty); fetch it again")
    return status.st_size


def compressed(path: Path) -> bool:
    """Whether a file is packed by gzip, bzip2, xz or zip, by its first bytes."""
    with path.open("rb") as f:
        return f.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04"))


def readable(header: fits.Header) -> tuple[fits.Header, list[str]]:
    """A copy of a header without the cards that FITS does not allow, and the keywords of those.

    Such are values that are no FITS values (NaN, unquoted text), and control characters.
    """
    good, lost = fits.Header(), []
    for card in header.cards:
        keyword = ""
        try:
            keyword = card.keyword
            str(card.value)  # parses it
            whole = card.image.isascii() and card.image.isprintable()
        except (fits.VerifyError, ValueError, TypeError, AttributeError):
            whole = False
        if whole:
            good.append(card, bottom=True)
        else:
            lost.append(keyword)
    return good, lost
