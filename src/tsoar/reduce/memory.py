"""Memory that has been freed goes back to the system."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # malloc.h
LARGE = 1 << 20  # bytes


def return_large_blocks() -> None:
    """Arrays above a MiB get pages of their own, given back when they are freed.

    The GNU C library raises that limit as large blocks come and go, up to 32 MiB, and then keeps planes and cubes that
    are no longer in use: a seventh of the peak of a run. Elsewhere nothing happens.
    """
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (AttributeError, OSError, TypeError):
        return
