"""Flags in words: what happened to a group or a pixel, and what follows for its slope."""

from __future__ import annotations

from tsoar import flags

GROUP = {
    "DO_NOT_USE": "not to be used: no difference with this group counts",
    "SATURATED": "at or above its saturation limit, or beside such a pixel: no difference with this group counts",
    "JUMP_DET": "charge arrived suddenly since the group before (a cosmic ray): that difference does not count",
    "AD_FLOOR": "no signal at all: no difference with this group counts",
    "CHARGELOSS": "charge lost to neighbours: no difference with this group counts",
    "PERSISTENCE": "light of an earlier exposure may linger",
    "DROPOUT": "data lost on the way down: no difference with this group counts",
}
PIXEL = {
    "DO_NOT_USE": "no slope is formed",
    "REFERENCE_PIXEL": "a reference pixel: blind to light",
    "NON_SCIENCE": "not a science pixel",
    "SATURATED": "saturated in some group",
    "JUMP_DET": "hit in some group",
    "DEAD": "does not respond to light",
    "HOT": "dark current far too high",
    "WARM": "dark current high",
    "LOW_QE": "responds weakly",
    "RC": "settles slowly between reads",
    "TELEGRAPH": "switches between two levels",
    "NONLINEAR": "responds too non-linearly",
    "BAD_REF_PIXEL": "a reference pixel that is not used",
    "NO_GAIN_VALUE": "its gain is not known",
    "NO_LIN_CORR": "not corrected for non-linearity: the reference has no coefficients",
    "NO_SAT_CHECK": "not checked for saturation: the reference has no limit",
    "UNRELIABLE_BIAS": "bias varies",
    "UNRELIABLE_DARK": "dark current varies",
    "UNRELIABLE_SLOPE": "slope unsure",
    "OPEN": "not connected: its charge is in the neighbours",
    "ADJ_OPEN": "beside one that is not connected",
    "OTHER_BAD_PIXEL": "bad for another reason",
    "OUTLIER": "an outlier",
    "PERSISTENCE": "light of an earlier exposure may linger",
}


def named(bits: int) -> list[str]:
    """Names of the flags that are set, one by one.

    >>> named(6)
    ['SATURATED', 'JUMP_DET']
    """
    return flags.names(bits).split("|") if bits else []


def of_group(group: int, bits: int) -> list[str]:
    """One line for each flag of a group (counted from 0).

    >>> of_group(3, 4)
    ['group 3 JUMP_DET: charge arrived suddenly since the group before (a cosmic ray): that difference does not count']
    """
    return [f"group {group} {name}: {GROUP.get(name, 'see the list of flags')}" for name in named(bits)]


def of_pixel(bits: int) -> list[str]:
    """One line for each flag of a pixel.

    >>> of_pixel(1024)
    ['pixel DEAD: does not respond to light']
    """
    return [f"pixel {name}: {PIXEL.get(name, 'see the list of flags')}" for name in named(bits)]
