"""Data-quality flags by name.

Bit values are those of the observatory's data model (stdatamodels 6, ``dqflags.pixel`` and ``dqflags.group``).
Flags are bits: combine them with ``|``, test them with ``&``, print them with `names`.
"""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from tsoar.errors import ConfigError

PIXEL = {
    "DO_NOT_USE": 1,
    "SATURATED": 2,
    "JUMP_DET": 4,
    "DROPOUT": 8,
    "OUTLIER": 16,
    "PERSISTENCE": 32,
    "AD_FLOOR": 64,
    "CHARGELOSS": 128,
    "RESERVED": 256,
    "NON_SCIENCE": 512,
    "DEAD": 1024,
    "HOT": 2048,
    "WARM": 4096,
    "LOW_QE": 8192,
    "RC": 16384,
    "TELEGRAPH": 32768,
    "NONLINEAR": 65536,
    "BAD_REF_PIXEL": 131072,
    "NO_FLAT_FIELD": 262144,
    "NO_GAIN_VALUE": 524288,
    "NO_LIN_CORR": 1048576,
    "NO_SAT_CHECK": 2097152,
    "UNRELIABLE_BIAS": 4194304,
    "UNRELIABLE_DARK": 8388608,
    "UNRELIABLE_SLOPE": 16777216,
    "UNRELIABLE_FLAT": 33554432,
    "OPEN": 67108864,
    "ADJ_OPEN": 134217728,
    "FLUX_ESTIMATED": 268435456,
    "MSA_FAILED_OPEN": 536870912,
    "OTHER_BAD_PIXEL": 1073741824,
    "REFERENCE_PIXEL": 2147483648,
}
GROUP = {name: bit for name, bit in PIXEL.items() if bit < 256 and name != "OUTLIER"}

MEANING = {
    "DO_NOT_USE": "not used",
    "SATURATED": "at or above its saturation limit, or next to such a pixel",
    "JUMP_DET": "a sudden step since the group before, as of a cosmic ray",
    "DROPOUT": "data lost in transmission",
    "OUTLIER": "far from other exposures",
    "PERSISTENCE": "afterglow of an earlier exposure",
    "AD_FLOOR": "at the floor of the converter: no counts",
    "CHARGELOSS": "charge has spilt to neighbours",
    "RESERVED": "no meaning yet",
    "NON_SCIENCE": "not for science",
    "DEAD": "does not respond to light",
    "HOT": "dark current far too high",
    "WARM": "dark current high",
    "LOW_QE": "responds weakly to light",
    "RC": "settles slowly after reset",
    "TELEGRAPH": "switches between two levels",
    "NONLINEAR": "strongly non-linear",
    "BAD_REF_PIXEL": "a reference pixel that cannot be used",
    "NO_FLAT_FIELD": "no flat field known",
    "NO_GAIN_VALUE": "no gain known",
    "NO_LIN_CORR": "no linearity correction known",
    "NO_SAT_CHECK": "no saturation limit known: not checked",
    "UNRELIABLE_BIAS": "bias varies",
    "UNRELIABLE_DARK": "dark current varies",
    "UNRELIABLE_SLOPE": "slope varies more than it should",
    "UNRELIABLE_FLAT": "flat field uncertain",
    "OPEN": "not connected: its charge is in the neighbours",
    "ADJ_OPEN": "next to a pixel that is not connected",
    "FLUX_ESTIMATED": "flux estimated from neighbours",
    "MSA_FAILED_OPEN": "light through a failed shutter",
    "OTHER_BAD_PIXEL": "bad for another reason",
    "REFERENCE_PIXEL": "a reference pixel: sees no light",
}
"""what each flag says, for people"""

DO_NOT_USE = PIXEL["DO_NOT_USE"]
SATURATED = PIXEL["SATURATED"]
JUMP_DET = PIXEL["JUMP_DET"]
OUTLIER = PIXEL["OUTLIER"]
PERSISTENCE = PIXEL["PERSISTENCE"]
AD_FLOOR = PIXEL["AD_FLOOR"]
CHARGELOSS = PIXEL["CHARGELOSS"]
NO_GAIN_VALUE = PIXEL["NO_GAIN_VALUE"]
NO_LIN_CORR = PIXEL["NO_LIN_CORR"]
NO_SAT_CHECK = PIXEL["NO_SAT_CHECK"]
REFERENCE_PIXEL = PIXEL["REFERENCE_PIXEL"]


def value(text: str) -> int:
    """Bits named in ``text``, separated by commas, blanks, ``|`` or ``+``.

    >>> value("SATURATED, JUMP_DET")
    6

    Raises
    ------
    ConfigError
        For a name that is not a flag; the nearest one is suggested.
    """
    bits = 0
    for name in text.replace(",", " ").replace("|", " ").replace("+", " ").split():
        if name.upper() not in PIXEL:
            near = get_close_matches(name.upper(), PIXEL, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(PIXEL)}"
            raise ConfigError(f"flag {name!r} does not exist{hint}")
        bits |= PIXEL[name.upper()]
    return bits


def names(bits: int) -> str:
    """The names of all set bits, joined by ``|``.

    >>> names(6)
    'SATURATED|JUMP_DET'
    """
    return "|".join(name for name, bit in PIXEL.items() if int(bits) & bit)


def count(dq: NDArray[np.integer], within: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """How many elements of ``dq`` carry each flag (a pixel with two flags counts for both); only flags that occur.

    >>> count(np.array([1, 3, 0], np.uint32))
    {'DO_NOT_USE': 2, 'SATURATED': 1}
    """
    dq = dq if within is None else dq[within]
    found = {
        name: int(np.count_nonzero(dq & dq.dtype.type(bit))) for name, bit in PIXEL.items() if bit <= np.iinfo(dq.dtype).max
    }
    return {name: n for name, n in found.items() if n}
