"""When memory that has been freed goes back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGE = 1 << 20  # bytes
TRIM = 128 << 10
"""free memory at the end of the heap that goes back at once: the library's own choice"""
LARGEST = 32 << 20
"""the GNU C library's own limit for blocks that are kept"""
KEPT = 128 << 20
"""as much as the survey's passing planes take together"""


def _set(mmap_above: int, trim_above: int) -> None:
    """Elsewhere than in the GNU C library nothing happens."""
    with suppress(AttributeError, OSError, TypeError):
        library: Any = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, mmap_above)
        library.mallopt(M_TRIM_THRESHOLD, trim_above)
        library.malloc_trim(0)


def return_large_blocks() -> None:
    """Arrays above a MiB get pages of their own, given back when they are freed.

    The GNU C library raises that limit as large blocks come and go, up to 32 MiB, and then keeps planes and cubes that
    are no longer in use: a seventh of the peak of a run.
    """
    _set(LARGE, TRIM)


@contextmanager
def large_blocks_kept() -> Generator[None]:
    """Inside, freed arrays are kept for the next ones; afterwards all goes back.

    For the survey, whose array expressions make and drop thousands of planes: a third of its time went into new pages.
    """
    _set(LARGEST, KEPT)
    try:
        yield
    finally:
        return_large_blocks()


@contextmanager
def what_is_there_stays() -> Generator[None]:
    """Inside, the search for lost reference cycles looks at new objects only.

    For the figures, each thousands of objects in cycles: the search went through all loaded modules again for every one
    of them, an eighth of their time, and left more figures lying about in the meantime.
    """
    if gc.get_freeze_count():  # somebody else's choice
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
