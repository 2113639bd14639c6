"""Every hot kernel beside its NumPy twin: one table, timed by the benchmark and compared by the tests.

A twin says the same with whole arrays and plain formulas. Kernels and twins get copies of the same arrays and leave
their results in the ones named; `agree` holds them together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from tsoar import flags
from tsoar.medians import column_medians
from tsoar.reduce import calibrate, chain, stream
from tsoar.spectra import extract

# `tsoar.detector` shows the steps as functions; here their files are meant
dark_current, jump, linearity, one_over_f, ramp_fit, refpix, saturation, superbias = (
    import_module(f"tsoar.detector.{step}")
    for step in ("dark_current", "jump", "linearity", "one_over_f", "ramp_fit", "refpix", "saturation", "superbias")
)

Arrays = dict[str, Any]
GAIN, READ2, RATE, T = 1.6, 80.0, 60.0, 5.494
LIMIT = 45_000.0
SAT, FLOOR = flags.SATURATED, flags.AD_FLOOR | flags.DO_NOT_USE


def arrays(groups: int = 6, ny: int = 256, nx: int = 2048, seed: int = 1) -> Arrays:
    """One integration and the planes that belong to it, with noise, hits, saturation and holes."""
    rng = np.random.default_rng(seed)
    shape = (groups, ny, nx)
    f32 = np.float32
    trace = ny / 2 + 10 * np.sin(np.arange(nx) / 300)
    star = 400 * np.exp(-0.5 * ((np.arange(ny)[:, None] - trace) / 7) ** 2)
    model = (star + RATE).astype(f32)
    differences = rng.poisson(np.maximum(model * GAIN, 0), shape) / GAIN
    ramp = differences.cumsum(axis=0) + rng.normal(0, np.sqrt(READ2), shape)
    ramp += np.where(rng.random(shape) < 1e-4, 3000.0, 0).cumsum(axis=0)
    bias = rng.uniform(9000, 14000, (ny, nx)).astype(f32).round()
    counts = np.clip(ramp + bias, 0, 65535).round().astype(np.uint16)
    counts[:, 5, ::97] = 0
    counts[2:, 9, ::89] = 60_000
    coeffs = np.stack([rng.normal(0, 1e-3, (ny, nx)) * 10.0 ** (-5.0 * k) for k in range(5)], axis=1).astype(f32)
    coeffs[:, 1] += 1
    where = np.argwhere(np.arange(ny)[:, None] >= ny - 4 + np.zeros(nx))
    near = np.abs(np.arange(ny)[:, None] - trace) < 17
    variance = model / GAIN + 2 * READ2
    usable = (rng.random((ny, nx)) > 0.01).astype(np.uint8)
    dq = np.zeros(shape, np.uint8)
    dq[3, rng.integers(0, ny, 400), rng.integers(0, nx, 400)] = flags.JUMP_DET
    slope = rng.normal(10, 3, (ny, nx)).astype(f32)
    slope[rng.random((ny, nx)) < 2e-3] = np.nan
    return {
        "raw": (counts ^ 0x8000).byteswap(),
        "counts": counts,
        "data": ramp.astype(f32),
        "dq": dq,
        "limit": np.full((ny, nx), LIMIT, f32),
        "first": np.zeros((ny, nx), np.uint8),
        "bias": bias,
        "where": np.column_stack([where[:, 0] % 2, where]).astype(np.int32),
        "table": np.zeros((groups, 2), f32),
        "coeffs": coeffs,
        "dark": rng.normal(1, 0.2, (ny, groups, nx)).astype(f32),
        "model": model,
        "weight": np.where(near, 0, 1 / variance).astype(f32),
        "sigma2": np.where(usable, variance, np.nan).astype(f32),
        "offsets": rng.normal(0, 5, (groups - 1, nx)).astype(f32),
        "candidate": np.zeros((ny, nx), np.uint8),
        "usable": usable,
        "gain": np.full((ny, nx), GAIN, f32),
        "read2": np.full((ny, nx), READ2, f32),
        "weights": ramp_fit.gls_weights(model, np.full((ny, nx), GAIN, f32), np.full((ny, nx), READ2, f32), usable, groups - 1)[
            0
        ],
        "slope": slope,
        "plane": np.zeros((ny, nx), f32),
        "var": np.full((ny, nx), 4.0, f32),
        "sky": np.full((ny, nx), 4.0, f32),
        "trace": trace,
        "rows": rng.normal(0, 1, (32, nx)).astype(f32),
        "out": np.zeros((3, nx)),
        "sums": np.zeros((4, ny, nx)),
        "bits": np.zeros((ny, nx), np.uint32),
    }


@dataclass(frozen=True)
class Kernel:
    """One line of the table; ``kernel`` and ``twin`` work on arrays of that name in place or return what replaces them."""

    name: str
    what: str
    kernel: Callable[[Arrays], Any]
    twin: Callable[[Arrays], Any]
    result: tuple[str, ...]
    """arrays that hold the answer afterwards ("return": what came back)"""
    tolerance: float = 0.0
    """relative, and of the largest value; 0: the same bits"""


def decode_twin(a: Arrays) -> None:
    """Swap, shift, convert."""
    a["data"][:] = (a["raw"].byteswap() ^ np.uint16(0x8000)).astype(np.float32)


def decode(a: Arrays) -> None:
    """Row by row, as the chain does."""
    for y in range(a["data"].shape[1]):
        calibrate.decode_row(a["raw"], y, a["data"])


def saturate(a: Arrays) -> None:
    """The step on raw counts."""
    a["data"][:] = a["counts"]
    saturation._frame(a["data"], a["dq"], a["limit"], 1, a["first"])


def saturate_twin(a: Arrays) -> None:
    """Ever reached, grown by a pixel; counts of 0 at the floor."""
    from scipy.ndimage import maximum_filter

    a["data"][:] = a["counts"]
    ever = np.maximum.accumulate(a["data"] >= a["limit"], axis=0)
    a["dq"] |= np.where(maximum_filter(ever, (1, 3, 3)), SAT, 0).astype(np.uint8)
    a["dq"] |= np.where(a["data"] <= 0, FLOOR, 0).astype(np.uint8)


def refpix_twin(a: Arrays) -> None:
    """Mean within 3 sigma of itself, until nothing changes."""
    parity, y, x = a["where"].T
    for g in range(a["data"].shape[0]):
        for p in range(2):
            v = a["data"][g, y[parity == p], x[parity == p]].astype(float)
            while True:
                keep = np.abs(v - v.mean()) <= 3 * v.std()
                if keep.all():
                    break
                v = v[keep]
            a["table"][g, p] = v.mean()


def linearity_twin(a: Arrays) -> None:
    """Horner in the same order of operations."""
    c = a["coeffs"].transpose(1, 0, 2)
    v = a["data"]
    out = c[4] * v
    for k in (3, 2, 1):
        out = (out + c[k]) * v
    a["data"][:] = np.where(a["dq"] & SAT, v, out + c[0])


def offsets_twin(a: Arrays) -> Any:
    """Weighted mean of the residuals within 4 sigma of a median of 32 rows."""
    r = np.diff(a["data"], axis=0) - a["model"]
    w = np.broadcast_to(a["weight"], r.shape)
    few = one_over_f.start_rows(r.shape[1])
    start = np.nanmedian(np.where(w > 0, r, np.nan)[:, few], axis=1)[:, None]
    inside = np.where((r - start) ** 2 * w < 16, w, 0).astype(np.float64)
    return start[:, 0] + (inside * (r - start)).sum(1) / inside.sum(1)


def find_twin(a: Arrays) -> None:
    """Differences beyond 5 sigma, sums beyond 4, any flag."""
    d = np.diff(a["data"], axis=0) - a["model"]
    n = d.shape[0]
    whole = a["data"][-1] - a["data"][0] - n * a["model"]
    with np.errstate(invalid="ignore"):
        far = (d**2 > 25 * a["sigma2"]).any(axis=0) | (whole**2 / (16 * n) > a["sigma2"])
    a["candidate"][:] = (far | (a["dq"] != 0).any(axis=0)) & np.isfinite(a["sigma2"])


def slope_twin(a: Arrays) -> None:
    """Weighted sum of differences."""
    d = np.diff(a["data"], axis=0)
    n = d.shape[0]
    a["plane"][:] = sum(a["weights"][min(k, n - 1 - k)] * d[k] for k in range(n))


def refit_twin(a: Arrays) -> None:
    """By dense algebra, pixel by pixel, as the tests have it."""
    from tests.detector.test_ramp_fit import twin

    where = np.argwhere((a["dq"] != 0).any(axis=0) & (a["usable"] > 0))
    for y, x in where:
        good = (a["dq"][1:, y, x] & flags.JUMP_DET) == 0
        a["plane"][y, x] = twin(np.diff(a["data"][:, y, x].astype(float)), good, a["model"][y, x] / GAIN, READ2)[0]


def refit(a: Arrays) -> None:
    """Listing the flagged pixels included."""
    pixels = ramp_fit.flagged(a["dq"], a["usable"])
    planes = (a["model"], a["gain"], a["read2"], a["usable"], a["plane"], a["var"].copy(), a["var"].copy())
    ramp_fit.refit_flagged(a["data"], a["dq"], pixels, *planes)


def box(a: Arrays) -> None:
    """One order."""
    extract.extract_box(
        a["slope"], a["var"], a["sky"], a["model"], a["trace"], 0.013, 15.0, a["out"][0], a["out"][1], a["out"][2]
    )


def box_twin(a: Arrays) -> None:
    """Shares of pixels inside, holes filled by the model."""
    y = np.arange(a["slope"].shape[0])[:, None]
    centre = a["trace"] + 0.013
    share = np.clip(np.minimum(y + 0.5, centre + 15) - np.maximum(y - 0.5, centre - 15), 0, 1)
    hole = ~np.isfinite(a["slope"])
    expected = a["model"].astype(float) - a["sky"]
    light = share * np.abs(expected)
    a["out"][0] = (share * np.where(hole, expected, a["slope"].astype(float) - a["sky"])).sum(0)
    a["out"][1] = (share**2 * np.where(hole, 0, a["var"])).sum(0)
    a["out"][2] = (light * hole).sum(0) / light.sum(0)


def rate(a: Arrays) -> None:
    """Four sums and two kinds of flags."""
    stream.add_rate(a["slope"], a["var"], a["sky"], a["bits"], *a["sums"], a["bits"].copy(), a["bits"].copy())


def rate_twin(a: Arrays) -> None:
    """Weights and weighted sums of good pixels."""
    variance = a["var"].astype(float) + a["sky"]
    good = np.isfinite(a["slope"])
    a["sums"] += [
        np.where(good, 1 / variance, 0),
        np.where(good, a["slope"] / variance, 0),
        np.where(good, 1 / a["var"].astype(float), 0),
        np.where(good, 1 / a["sky"].astype(float), 0),
    ]


def mean_twin(a: Arrays) -> None:
    """Last minus first, NaN where flagged."""
    n = a["data"].shape[0] - 1
    bad = (np.bitwise_or.reduce(a["dq"], axis=0) & chain.SPOILT) != 0
    a["plane"][:] = np.where(bad, np.nan, (a["data"][-1] - a["data"][0]) * np.float32(1 / n))


def subtract_twin(name: str) -> Callable[[Arrays], None]:
    """data minus a reference of the same shape, or a plane of it."""

    def run(a: Arrays) -> None:
        a["data"] -= a[name].transpose(1, 0, 2) if a[name].ndim == 3 else a[name]

    return run


def stripes_twin(a: Arrays) -> None:
    """Cumulated, off every group after the first."""
    a["data"][1:] -= one_over_f.cumulate(a["offsets"])[:, None]


KERNELS = (
    Kernel("calibrate.decode_row", "counts of the file to float32", decode, decode_twin, ("data",)),
    Kernel("saturation._frame", "saturated groups and their neighbours, A/D floor", saturate, saturate_twin, ("dq",)),
    Kernel("superbias._frame", "bias", lambda a: superbias._frame(a["data"], a["bias"]), subtract_twin("bias"), ("data",)),
    Kernel(
        "refpix.measure",
        "clipped means of the reference pixels",
        lambda a: refpix.measure(a["data"], a["where"], 3.0, True, a["table"]),
        refpix_twin,
        ("table",),
        1e-6,
    ),
    Kernel(
        "linearity._frame", "polynomial", lambda a: linearity._frame(a["data"], a["dq"], a["coeffs"]), linearity_twin, ("data",)
    ),
    Kernel(
        "dark_current._frame", "dark", lambda a: dark_current._frame(a["data"], a["dark"]), subtract_twin("dark"), ("data",)
    ),
    Kernel(
        "chain.mean_difference",
        "last group minus first",
        lambda a: chain.mean_difference(a["data"], a["dq"], a["data"].shape[0] - 1, chain.SPOILT, a["plane"]),
        mean_twin,
        ("plane",),
        1e-6,
    ),
    Kernel(
        "one_over_f.deep_offsets",
        "1/f offsets, clipped from a median",
        lambda a: one_over_f.deep_offsets(a["data"], a["model"], a["weight"], 4.0),
        offsets_twin,
        ("return",),
        2e-4,
    ),
    Kernel(
        "one_over_f.subtract",
        "1/f offsets out of the groups",
        lambda a: one_over_f.subtract(a["data"], one_over_f.cumulate(a["offsets"])),
        stripes_twin,
        ("data",),
    ),
    Kernel(
        "jump.find_frame",
        "pixels that need a closer look",
        lambda a: jump.find_frame(a["data"], a["dq"], a["model"], a["sigma2"], 5.0, a["candidate"]),
        find_twin,
        ("candidate",),
        2e-5,
    ),
    Kernel(
        "ramp_fit.slope_frame",
        "slopes, weights constant in time",
        lambda a: ramp_fit.slope_frame(a["data"], a["weights"], a["plane"]),
        slope_twin,
        ("plane",),
        2e-6,
    ),
    Kernel("ramp_fit.refit_flagged", "slopes of flagged ramps, one by one", refit, refit_twin, ("plane",), 1e-6),
    Kernel("stream.add_rate", "into the averaged slope image", rate, rate_twin, ("sums",), 1e-6),
    Kernel("extract.extract_box", "box along the trace, one order", box, box_twin, ("out",), 1e-6),
    Kernel(
        "medians.column_medians",
        "median of 32 rows of every column",
        lambda a: column_medians(a["rows"]),
        lambda a: np.nanmedian(a["rows"], axis=0),
        ("return",),
        1e-6,
    ),
)


def fresh(a: Arrays) -> Arrays:
    """Copies, so that nobody works on what another left."""
    return {name: np.copy(value) for name, value in a.items()}


def answer(work: Callable[[Arrays], Any], names: tuple[str, ...], a: Arrays) -> list[Any]:
    """What ``work`` leaves in the named arrays."""
    mine = fresh(a)
    back = work(mine)
    return [back if name == "return" else mine[name] for name in names]


def agree(k: Kernel, a: Arrays) -> None:
    """An AssertionError where kernel and twin differ; a share ``tolerance`` of single decisions (integers) may."""
    for got, expected in zip(answer(k.kernel, k.result, a), answer(k.twin, k.result, a), strict=True):
        if k.tolerance == 0:
            np.testing.assert_array_equal(got, expected, err_msg=k.name)
        elif got.dtype.kind in "iu":
            assert (got != expected).mean() <= k.tolerance, k.name
        else:
            scale = np.nanmax(np.abs(expected))
            np.testing.assert_allclose(got, expected, rtol=k.tolerance, atol=k.tolerance * scale, err_msg=k.name)


def seconds_of(work: Callable[[Arrays], Any], a: Arrays, repeats: int) -> list[float]:
    """Of ``repeats`` calls on fresh copies, after one that does not count."""
    work(fresh(a))
    times = []
    for _ in range(repeats):
        mine = fresh(a)
        start = time.perf_counter()
        work(mine)
        times.append(time.perf_counter() - start)
    return times


def table(groups: int = 6, ny: int = 256, nx: int = 2048, repeats: int = 5) -> dict[str, Any]:
    """Milliseconds of every kernel and its twin on one integration, one thread."""
    a = arrays(groups, ny, nx)
    rows = []
    for k in KERNELS:
        agree(k, a)
        rows.append(
            {
                "name": k.name,
                "what": k.what,
                "kernel_ms": [1e3 * s for s in seconds_of(k.kernel, a, repeats)],
                "twin_ms": [1e3 * s for s in seconds_of(k.twin, a, max(2, repeats // 2))],
            }
        )
    return {"rows": rows}
