"""Flags in words: what happened to a group or a pixel, and what follows for its slope."""

from __future__ import annotations

from tsoar import flags

LOST = "no difference with this group counts"
CONSEQUENCE = {
    "DO_NOT_USE": LOST,
    "SATURATED": LOST,
    "JUMP_DET": "that difference does not count",
    "AD_FLOOR": LOST,
    "CHARGELOSS": LOST,
    "DROPOUT": LOST,
}
"""what a flag of a group means for the slope, where it means anything"""


def named(bits: int) -> list[str]:
    """Names of the flags that are set, one by one.

    >>> named(6)
    ['SATURATED', 'JUMP_DET']
    """
    return flags.names(bits).split("|") if bits else []


def of_group(group: int, bits: int) -> list[str]:
    """One line for each flag of a group (counted from 0).

    >>> of_group(3, 4)
    ['group 3 JUMP_DET: a sudden step since the group before, as of a cosmic ray; that difference does not count']
    """
    follows = {name: f"; {CONSEQUENCE[name]}" if name in CONSEQUENCE else "" for name in named(bits)}
    return [f"group {group} {name}: {flags.MEANING[name]}{text}" for name, text in follows.items()]


def of_pixel(bits: int) -> list[str]:
    """One line for each flag of a pixel.

    >>> of_pixel(1024)
    ['pixel DEAD: does not respond to light']
    """
    return [f"pixel {name}: {flags.MEANING[name]}" for name in named(bits)]
