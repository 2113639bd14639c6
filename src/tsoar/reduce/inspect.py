"""Looks at an exposure before it is reduced: counts and flags (rows E1, E2), and one integration step by step (`walk`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import Ramps, Reference, Slopes
from tsoar.detector import SaturationParams, dq_init, saturation
from tsoar.errors import InputError

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from tsoar.config import Config
    from tsoar.io.exposure import Exposure
    from tsoar.io.references import References

SATURATED_ROW = np.dtype(
    [
        ("integration", np.int64),
        ("row", np.int64),
        ("column", np.int64),
        ("group", np.int64),
        ("value", np.float32),
        ("limit", np.float32),
    ]
)


def saturated_table(ramps: Ramps, reference: Reference, factor: float = 1.0) -> NDArray[np.void]:
    """Pixels flagged SATURATED with the value of their first saturated group beside the limit (E1).

    Parameters
    ----------
    ramps : raw counts (i, g, y, x) [DN] with SATURATED in groupdq (after `tsoar.detector.saturation`).
    reference : saturation limits (y, x) [DN].
    factor : on the limits, as given to the step.

    Returns
    -------
    structured array (n,) : integration (counted over all segments), row, column, group (from 0), value and limit [DN];
        ordered by integration, row, column. A value below its limit: flagged as a neighbour, or by hand. NaN: no limit.
    """
    limit = reference.cut(ramps.readout).data
    if limit is None:
        raise InputError(f"reference {reference.name}: holds no limits, expected a saturation reference")
    saturated = (ramps.groupdq & np.uint8(flags.SATURATED)) != 0
    i, y, x = np.nonzero(saturated.any(axis=1))
    group = saturated.argmax(axis=1)[i, y, x]
    table = np.empty(i.size, SATURATED_ROW)
    table["integration"], table["row"], table["column"], table["group"] = i + ramps.first, y, x, group
    table["value"], table["limit"] = ramps.data[i, group, y, x], limit[y, x] * np.float32(factor)
    return table


def flag_counts(block: Ramps | Slopes, wanted: str = "") -> dict[str, dict[str, int]]:
    """How many elements carry each flag (E2): one table for each array of flags of the block.

    Parameters
    ----------
    block : ramps (pixeldq (y, x), groupdq (i, g, y, x)) or slopes (dq (i, y, x)).
    wanted : flag names as `tsoar.flags.value` reads them; then only these, and how many carry any and all of them.
    """
    arrays: dict[str, NDArray[Any]] = (
        {"dq": block.dq} if isinstance(block, Slopes) else {"pixeldq": block.pixeldq, "groupdq": block.groupdq}
    )
    bits = flags.value(wanted)
    if not bits:
        return {name: flags.count(dq) for name, dq in arrays.items()}
    out = {}
    for name, dq in arrays.items():
        both = dq & dq.dtype.type(bits & int(np.iinfo(dq.dtype).max))
        found = flags.count(both)
        counts = {flag: found.get(flag, 0) for flag in flags.names(bits).split("|")}
        if len(counts) > 1:
            counts["any of these"] = int(np.count_nonzero(both))
            counts["all of these"] = int(np.count_nonzero(both.astype(np.uint64) == bits))
        out[name] = counts
    return out


def flagged_ramps(
    exposure: Exposure,
    references: References | None,
    integrations: slice,
    params: SaturationParams = SaturationParams(),  # noqa: B008 (frozen)
) -> Ramps:
    """Raw counts of some integrations with the flags of the mask and of saturation, as far as there are references."""
    ramps = exposure.ramps(integrations=integrations)
    if references is not None and references.have("mask"):
        ramps = dq_init(ramps, references.cut("mask", ramps.readout))
    if references is not None and references.have("saturation"):
        ramps = saturation(ramps, references.cut("saturation", ramps.readout), params)
    return ramps


def exposure_lines(exposure: Exposure) -> Iterator[tuple[str, Any]]:
    """What an exposure is: pairs of name and value."""
    readout = exposure.readout
    yield "exposure", exposure.stem
    yield "kind", exposure.kind
    for segment in exposure.segments:
        yield "segment", f"{segment.path.name}: integrations {segment.first} to {segment.first + segment.n - 1}"
    yield "subarray", f"{readout.subarray}, {readout.shape[0]} rows x {readout.shape[1]} columns, {readout.filter}"
    yield "integrations", exposure.n_integrations
    yield "groups", readout.n_groups
    yield "group time [s]", readout.tgroup
    yield "pupil wheel [deg]", readout.pwcpos
    for text in exposure.repairs:
        yield "repaired", text


# What follows needs the whole chain and the figures, which load when they are called for.


def walk(
    exposure: Exposure,
    references: References | None,
    integration: int = 0,
    *,
    config: Config | None = None,
    run: str | os.PathLike[str] | None = None,
    column: int | None = None,
) -> list[tuple[str, Figure]]:
    """The figures of the detector steps for one integration, before and after each, in order.

    Parameters
    ----------
    exposure, references : as for `tsoar.run`.
    integration : counted from 0 over all segments.
    config : settings; those of ``run`` where one is given, else the defaults. Its ``seed`` draws the pixels shown.
    run : folder of a finished run of this exposure, whose deep stack 1/f and jumps are judged against; without one a
        dozen integrations are surveyed.
    column : shown as a profile.

    Returns
    -------
    list of (name, figure) : the name is that of the step and what is shown.

    Raises
    ------
    TsoarError
        For anything the user can mend.
    """
    from tsoar.reduce.tour import looks
    from tsoar.reduce.walk import walk_steps

    walked = walk_steps(exposure, references, integration, config=config, run=run)
    return [(name, draw()) for name, _, draw in looks(walked, column)]


def pixel(
    exposure: Exposure,
    references: References | None,
    integration: int,
    row: int,
    column: int,
    *,
    config: Config | None = None,
    run: str | os.PathLike[str] | None = None,
) -> tuple[list[str], Figure]:
    """One pixel's ramp with fit, residuals and its flags in words, and the figure; parameters as for `walk`."""
    from tsoar.reduce.tour import pixel_look
    from tsoar.reduce.walk import walk_steps

    return pixel_look(walk_steps(exposure, references, integration, config=config, run=run), row, column)


def sweep(
    exposure: Exposure,
    references: References | None,
    integration: int,
    thresholds: NDArray[np.floating],
    *,
    config: Config | None = None,
    run: str | os.PathLike[str] | None = None,
) -> tuple[NDArray[np.void], Figure]:
    """Reads flagged as jumps for each threshold [sigma] (E8): the table of `tsoar.reduce.sweep.jump_sweep`, and the figure."""
    from tsoar.reduce.sweep import jump_sweep, sweep_look
    from tsoar.reduce.walk import walk_steps

    walked = walk_steps(exposure, references, integration, config=config, run=run)
    table = jump_sweep(walked, np.asarray(thresholds, np.float64))
    return table, sweep_look(walked, table)
