"""What flows through the detector stage: `Ramps` in, `Slopes` out, with the few numbers (`Readout`) steps need.

Shapes are written (i, g, y, x) = integration, group, row, column. Rows and columns as on the DMS image: row 0 at the
bottom, column = dispersion. Steps return new objects that share what they did not touch; they never change the arrays
of their caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar.errors import ReferenceFileError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
Each = Callable[..., Iterable[None]]
"""`map`, or that of a pool: for parts that do not depend on each other"""


@dataclass(frozen=True, slots=True)
class Readout:
    """How an exposure was read out: the header keywords that the detector steps depend on."""

    subarray: str
    shape: tuple[int, int]
    """(rows, columns)"""
    corner: tuple[int, int]
    """SUBSTRT1, SUBSTRT2 (one-based column and row in the full frame)"""
    n_groups: int
    tframe: float
    """[s]"""
    tgroup: float
    """[s]"""
    nframes: int = 1
    groupgap: int = 0
    pwcpos: float = 245.76
    """pupil-wheel angle [deg]"""
    filter: str = "CLEAR"


@dataclass(frozen=True, slots=True)
class Ramps:
    """Some consecutive integrations of one exposure."""

    data: F32
    """(i, g, y, x) [DN]"""
    groupdq: U8
    """(i, g, y, x)"""
    pixeldq: U32
    """(y, x), shared by all integrations"""
    readout: Readout
    first: int = 0
    """number of the first integration, counted from 0 over all segments"""
    facts: dict[str, NDArray[Any]] = field(default_factory=dict)
    """small series per integration that steps leave behind: 1/f offsets (i, g-1, x), reference levels (i, g, 2), ..."""

    def with_(self, **changes: Any) -> Ramps:
        """A copy with some fields replaced; facts are merged."""
        facts = {**self.facts, **changes.pop("facts", {})}
        return replace(self, facts=facts, **changes)


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slope images of some consecutive integrations."""

    slope: F32
    """(i, y, x) [DN/s]"""
    err: F32
    """(i, y, x) [DN/s]"""
    var_poisson: F32
    """(i, y, x) [(DN/s)^2]"""
    var_rnoise: F32
    """(i, y, x) [(DN/s)^2]"""
    dq: U32
    """(i, y, x)"""
    readout: Readout
    first: int = 0
    facts: dict[str, NDArray[Any]] = field(default_factory=dict)

    def with_(self, **changes: Any) -> Slopes:
        """A copy with some fields replaced; facts are merged."""
        facts = {**self.facts, **changes.pop("facts", {})}
        return replace(self, facts=facts, **changes)


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference file as arrays; `cut` gives the part that belongs to a subarray.

    Attributes
    ----------
    kind : REFTYPE in lower case: mask, saturation, superbias, linearity, dark, gain, readnoise.
    data : float32 (y, x); (n, y, x) for linearity (constant term first) and dark (groups); None for mask.
    dq : uint32 (y, x), bits already those of `tsoar.flags` (DQ_DEF applied), or None.
    corner : SUBSTRT1, SUBSTRT2 of the file, or None when the file does not say.
    name, sha256 : of the file, for the record.
    keywords : the numbers steps need (nframes, groupgap, gainfact, avdrkcur ...), where present.
    """

    kind: str
    data: F32 | None
    dq: U32 | None = None
    corner: tuple[int, int] | None = None
    name: str = "array"
    sha256: str = ""
    keywords: dict[str, float] = field(default_factory=dict)

    def cut(self, readout: Readout) -> Reference:
        """The part that covers ``readout``'s subarray (by SUBSTRT1/2; a full frame without corners starts at 1, 1).

        Raises
        ------
        ReferenceFileError
            When the reference does not cover the subarray.
        """
        array = self.data if self.data is not None else self.dq
        if array is None:
            raise ReferenceFileError(f"reference {self.name} ({self.kind}) holds neither data nor DQ")
        axes = 3 if self.kind in ("linearity", "dark") else 2
        if array.ndim != axes or (self.kind == "linearity" and array.shape[0] < 2):
            expected = {"linearity": "(2 or more terms, y, x)", "dark": "(groups, y, x)"}.get(self.kind, "(y, x)")
            raise ReferenceFileError(f"reference {self.name} ({self.kind}) has shape {array.shape}, expected {expected}")
        (ny, nx), have = readout.shape, array.shape[-2:]
        corner = self.corner or ((1, 1) if have == (2048, 2048) else None)
        if corner is None or (corner == readout.corner and have == (ny, nx)):
            if have != (ny, nx):
                raise ReferenceFileError(
                    f"reference {self.name} ({self.kind}) is {have[0]} x {have[1]} pixels without SUBSTRT1/2, "
                    f"expected {ny} x {nx} ({readout.subarray}) or a full frame; give another with --ref {self.kind}=FILE"
                )
            return self
        x0, y0 = readout.corner[0] - corner[0], readout.corner[1] - corner[1]
        if x0 < 0 or y0 < 0 or y0 + ny > have[0] or x0 + nx > have[1]:
            raise ReferenceFileError(
                f"reference {self.name} ({self.kind}) covers {have[0]} x {have[1]} pixels from corner {corner}, which does not "
                f"hold {readout.subarray} ({ny} x {nx} from {readout.corner}); give another with --ref {self.kind}=FILE"
            )
        window = (..., slice(y0, y0 + ny), slice(x0, x0 + nx))
        return replace(
            self,
            data=None if self.data is None else np.ascontiguousarray(self.data[window]),
            dq=None if self.dq is None else np.ascontiguousarray(self.dq[window]),
            corner=readout.corner,
        )


@dataclass(frozen=True, slots=True)
class Deep:
    """What the survey learned: what a typical integration of this exposure looks like (row G1).

    Images are [DN/s] at the survey's median brightness and trace position; orders 1, 2, 3 are index 0, 1, 2.
    """

    star: F32
    """(3, y, x) light of the star, shared among the orders, wings and halo included"""
    gradient: F32
    """(3, y, x) change of the star's image with trace row, -dS/dy, near its own trace only [DN/s/px]"""
    curvature: F32
    """(3, y, x) half of its second derivative, what motion does beyond the first order [DN/s/px^2]"""
    stretch: F32
    """(3, y, x) change with relative width of the profile, near its own trace only [DN/s]"""
    sky: F32
    """(y, x)"""
    noisy: NDArray[np.bool_]
    """(y, x) pixels to leave out: noisier inside ramps than their noise model"""
    odd: NDArray[np.bool_]
    """(y, x) pixels whose deep value does not fit their neighbours; their star value is taken from those"""
    trace: F64
    """(3, x) smooth trace rows, NaN where an order is not on the subarray"""
    trace_all: F64
    """(3, x) the same, continued where an order lies beyond the subarray (its light is on it)"""
    trace_raw: F64
    """(3, x) centroids: maxima of the smoothed profile, a diagnostic"""
    trace_valid: NDArray[np.bool_]
    """(3, x)"""
    read_noise_factor: float
    """how much noisier dark rows are, after the column step, than the readnoise reference says"""
    sample: NDArray[np.int64]
    """integrations surveyed"""
    last_group: int
    """last group at which (nearly) no pixel of a trace is saturated"""
    facts: dict[str, Any] = field(default_factory=dict)
    """numbers for the report: sky scales, halo, wheel angle fitted, counts of odd pixels ..."""

    light: F32 = field(init=False)
    """(y, x) the star's light of all orders"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "light", self.star.sum(0, dtype=np.float32))

    @property
    def total(self) -> F32:
        """(y, x) star and sky together."""
        return self.light + self.sky
