"""The sky with its step near column 700, told from the star's halo (row G3).

The shape of the sky is STScI's template (packaged ``soss_background``); its brightness differs between visits and between
the two sides of the step (jwst issue 9018), so each side has its own scale. Far from the traces the star's wings lie on
the sky and fall as |s|^-1.5: fitting them along is what brings the sky's error from 0.3 to 0.03 DN/s, and the depth error
at 2.7 um from 210 to 20 ppm; leaving order 3 out of the halo costs 50 ppm (measured on simulations). The halo is star and
changes in transit, so it is no part of the sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from tsoar.blocks import F32, F64, Readout
from tsoar.jit import kernel
from tsoar.medians import column_medians
from tsoar.params import Annotated, Ge, Gt, Unit, doc
from tsoar.soss.masks import distance
from tsoar.soss.profiles import WING, WING_AT, WING_POWER, full_traces, typical_ratio
from tsoar.soss.subarrays import SUBARRAYS
from tsoar.soss.tables import table

STEP_COLUMNS = (688.0, 740.0)
"""where the template rises from one side of the step to the other"""
STEP_TILT = 3 / 92
"""[columns per row] by which the step moves (template: +3 columns over 92 rows)"""
STEP_ROW = 58.0
"""row of SUBSTRIP256 at which the step lies as tabulated (the middle of SUBSTRIP96, where the template was made)"""
STEP_SHIFTS = np.arange(-8.0, 17.0)
"""[columns] the step is looked for from where it is tabulated"""
COARSE = 4
"""of these every fourth first, then those about the best one: the misfit is smooth, the template rises over 52 columns"""

BOX = 15
"""[px] half width of the boxes that the halo's brightness is taken from"""
SMOOTHING = 40
"""[columns] over which that brightness is smoothed: the halo is light from many columns"""
HALO_CORE = 12.0
"""[px] nearer than this the power law of the halo is not followed"""

POWERS = np.arange(1.25, 2.51, 0.25)
"""how steeply the halo may fall"""
MAX_ERROR = 0.01
"""formal relative error of the sky above which the halo is not fitted along"""
ENOUGH = 32_000
"""so many of the dark pixels, evenly spread, are asked until the last fit"""
TURNS, AGAIN = 6, 3
"""how often weights are renewed, from equal ones and from those of a fit much like it; each time halves what is to change"""
MIN_PIXELS = 1000
"""fewest dark pixels on a side of the step for a scale of its own"""


@dataclass(frozen=True, slots=True)
class BackgroundParams:
    """How the sky is fitted to a deep slope image."""

    away: Annotated[float, Gt(0), Unit("px"), doc("pixels nearer to the traces of orders 1 and 2 are left out")] = 25.0
    away_order3: Annotated[float, Ge(0), Unit("px"), doc("pixels nearer to the trace of order 3 are left out")] = 16.0
    last_column: Annotated[int, Gt(760), doc("columns from here on are left out: the star's wings are all over them")] = 950
    clip: Annotated[float, Gt(1), Unit("sigma"), doc("pixels further from the fit are left out (field stars)")] = 6.0
    iterations: Annotated[int, Ge(1), doc("how often the sky under the boxes that give the halo its brightness is renewed")] = 4
    halo: Annotated[bool, doc("fit the star's halo along with the sky")] = True


@dataclass(frozen=True, slots=True)
class Background:
    """Sky and halo found in an image, in its units."""

    sky: F32
    """(y, x) the two scales times the template; the halo is star and not in it"""
    scale_left: float
    """sky over template at columns left of the step"""
    scale_right: float
    halo_amplitude: float
    """share of an order's light per pixel, 70 px from its trace (1.4e-4 in WASP-39)"""
    halo_power: float
    """its fall with distance, |s|^-power (1.5 in WASP-39)"""
    halo_light: F64
    """(3, x) brightness of every order that the halo was fitted with"""
    traces: F64
    """(3, x) rows about which it lies"""
    step_shift: float
    """[columns] of the step from where the template has it"""
    n_pixels: int
    """pixels the fit rests on"""
    residual_std: float
    """robust scatter of those pixels about the fit"""
    method: str
    """what was fitted, in words"""

    @property
    def halo(self) -> F32:
        """(y, x) the star's halo as fitted."""
        image = halo_image(self.halo_light, self.traces, self.sky.shape, self.halo_power)
        return (self.halo_amplitude * image).astype(np.float32)


def sky_template(readout: Readout, step_shift: float = 0.0) -> F64:
    """(y, x) brightness of the sky on a subarray [DN/s], as STScI's template has it.

    Measured in SUBSTRIP96 by column; no dependence on row within 0.5 %, but for the step, which leans by 3 columns over
    92 rows. ``step_shift`` moves the step along columns.
    """
    sky: F64 = _sides(_rows(readout.shape[0]), readout.shape[1], step_shift).sum(axis=0)
    return sky


def _rows(ny: int) -> F64:
    """Rows of a subarray with ``ny`` rows, as rows of SUBSTRIP256."""
    first = {s.shape[0]: s.corner[1] - SUBARRAYS["SUBSTRIP256"].corner[1] for s in SUBARRAYS.values()}
    return np.arange(ny, dtype=np.float64) + first.get(ny, 0)


def _sides(rows: F64, nx: int, step_shift: float) -> F64:
    """(2, y, x) the template left and right of the step at ``rows`` of SUBSTRIP256; their sum is the whole."""
    known = table("soss_background")
    first, last = STEP_COLUMNS
    low, high = np.interp([first, last], known["x"], known["background"])
    x = np.arange(nx, dtype=np.float64)
    # columns are looked up where the tabulated step has them; far from the step nothing moves, and all rows are the same
    moving = np.clip(2 - np.abs(x - (first + last) / 2) / 30, 0, 1)
    out = np.empty((2, rows.size, nx))
    first_moving, after = np.flatnonzero(moving)[[0, -1]] + (0, 1)
    for part, its_rows in (
        (slice(first_moving), rows[:1]),
        (slice(first_moving, after), rows),
        (slice(after, nx), rows[:1]),
    ):
        place = x[part] - (step_shift + (its_rows[:, None] - STEP_ROW) * STEP_TILT) * moving[part]
        sky = np.interp(place, known["x"], known["background"])
        inside = np.interp(np.clip(place, first, last), known["x"], known["background"])
        right = np.clip((inside - low) / (high - low), 0, 1)
        out[:, :, part] = sky * (1 - right), sky * right
    return out


def boxes(images: F32 | F64, good: NDArray[np.bool_], traces: F64) -> F64:
    """(n, 3, x) light of images (n, y, x) within +-15 px of each trace, bad pixels made up for; NaN where a box is cut off."""
    out = np.full((len(images), 3, images.shape[2]), np.nan)
    _boxes(images, good, traces, out)
    return out


@kernel
def _boxes(images, good, traces, out):
    for o in range(3):
        for x in range(good.shape[1]):
            low, high = np.ceil(traces[o, x] - BOX), np.floor(traces[o, x] + BOX)
            if not (traces[o, x] - BOX >= -0.5 and traces[o, x] + BOX <= good.shape[0] - 0.5):
                continue
            first, last = max(int(low), 0), min(int(high), good.shape[0] - 1)
            count = 0
            for y in range(first, last + 1):
                count += good[y, x]
            if count <= BOX:
                continue
            for n in range(images.shape[0]):
                total = 0.0
                for y in range(first, last + 1):
                    total += images[n, y, x] if good[y, x] else 0.0
                out[n, o, x] = total * (2 * BOX + 1) / count


def halo_fluxes(box: F64, traces: F64) -> F64:
    """(3, x) smooth brightness of each order for the halo, from `boxes` (3, x) of the image without sky.

    Order 2 where it lies on order 1's edge, and order 3 where it is faint, from their usual ratio to order 1 (WASP-39),
    scaled to what is seen where they are clear.
    """
    nx = box.shape[1]
    out = np.zeros((3, nx))
    out[0] = _smooth(box[0])
    usual = np.stack([np.ones(2048), typical_ratio(2), typical_ratio(3)])[:, :nx]
    x = np.arange(nx)
    for o in (1, 2):
        with np.errstate(invalid="ignore"):
            clear = np.isfinite(box[o]) & (np.abs(traces[o] - traces[0]) > 3 * BOX)
        # order 3 counts where it is brightest and far from order 2 too
        clear &= (x < 1700) if o == 1 else (usual[2] > 0.6 * usual[2].max()) & (x < 650)
        out[o] = usual[o] * out[0]
        if clear.sum() < 30:
            continue
        near = x[clear][:200] if o == 1 else x[clear]  # next to where it is needed
        out[o] *= np.clip(np.median(box[o, near] / np.maximum(out[o, near], 1e-9)), 0.1, 10.0)
        if o == 1:
            own = np.interp(x, x[clear], box[o, clear])
            out[o] = np.where((x >= x[clear][0]) & (x <= x[clear][-1]), _smooth(own), out[o])
    return np.maximum(np.nan_to_num(out), 0)


def _smooth(values: F64) -> F64:
    fine = np.isfinite(values)
    if not fine.any():
        return np.zeros_like(values)
    x = np.arange(values.size)
    bridged = np.interp(x, x[fine], values[fine])
    return np.asarray(gaussian_filter1d(median_filter(bridged, 31, mode="nearest"), SMOOTHING, mode="nearest"), np.float64)


def halo_image(fluxes: F64, traces: F64, shape: tuple[int, int], power: float) -> F64:
    """(y, x) sum over orders of flux (|s| / 70)^-power: the halo for an amplitude of one."""
    rows = np.arange(shape[0], dtype=np.float64)[:, None]
    out = np.zeros(shape)
    for o in range(3):
        known = np.isfinite(traces[o])
        away = np.maximum(np.abs(rows - traces[o, known]), HALO_CORE)
        out[:, known] += fluxes[o, known] * (away / WING_AT) ** -power
    return out


def fit_background(
    image: F32,
    good: NDArray[np.bool_],
    traces: F64,
    order_flux: F64 | None = None,
    params: BackgroundParams = BackgroundParams(),
    step: float | None = None,
) -> Background:
    """Sky of a deep slope image (y, x), by least squares of two scales and the star's halo.

    good (y, x): pixels that may be used; traces (3, x) of orders 1 to 3; order_flux (3, x): their brightness, taken from
    boxes on the image if not given; step: where the step of the sky lies [columns], looked for if not given. Pixels count
    that are far from the traces and left of ``last_column``; weights go as 1 / sqrt(|residual|), renewed, which with the
    clipping keeps field stars out. How steeply the halo falls is found on a grid (1.5 on real stars; forcing 1.5 on a
    steeper one makes the sky 0.1 DN/s too low).

    Where dark pixels are few or all at the same distance (SUBSTRIP96 has them below order 1 only), the fit gives up, in
    this order, the halo's own strength and slope (WASP-39's are taken), the second scale, the sky (nothing is
    subtracted); ``method`` says what was done.
    """
    beyond = full_traces(traces)
    dark = _dark_pixels(image, good, beyond, params)
    rows, nx = _rows(image.shape[0]), image.shape[1]
    step = _step_shift(image, dark, rows) if step is None else step
    sides = _sides(rows, nx, step)
    n_left = int(np.count_nonzero(dark & (sides[0] > sides[1])))
    n_right = int(np.count_nonzero(dark)) - n_left
    if n_left + n_right < MIN_PIXELS:
        nothing = np.zeros(image.shape, np.float32)
        text = f"no sky subtracted: only {n_left + n_right} pixels lie far enough from the traces"
        none = np.zeros((3, nx))
        return Background(nothing, 0.0, 0.0, 0.0, WING_POWER, none, beyond, 0.0, n_left + n_right, float("nan"), text)

    y, x = np.nonzero(dark)
    values = image[dark].astype(np.float64)
    columns = [sides[0][dark], sides[1][dark]]
    text = "two scales"
    if min(n_left, n_right) < MIN_PIXELS:
        columns, text = [columns[0] + columns[1]], "one scale (too few dark pixels on a side of the step)"
    away = np.stack([np.abs(y - beyond[o, x]) for o in range(3)])
    # exp of a product is three times faster than a power, many times over
    logarithm = np.log(np.where(np.isfinite(away), np.maximum(away, HALO_CORE), np.inf) / WING_AT)

    free, power, amplitude = params.halo, WING_POWER, WING if params.halo else 0.0
    scales = np.ones(2)
    flux = np.zeros((3, nx)) if order_flux is None else order_flux
    light_of_star, *light_of_sky = boxes(np.stack([image, *sides.astype(np.float32)]), good, traces)
    fit = _Fit(np.ones(1), 0.0, 0.0, 0.0, 0)
    few = slice(None, None, max(values.size // ENOUGH, 1))
    for turn in range(params.iterations):
        part = slice(None) if 0 < turn == params.iterations - 1 else few  # all pixels count in the last of several
        if order_flux is None and params.halo:
            flux = halo_fluxes(light_of_star - scales[0] * light_of_sky[0] - scales[1] * light_of_sky[1], traces)
        light, some = flux[:, x[part]], [c[part] for c in columns]
        if free and turn > 0:
            i = int(np.clip(np.rint((power - POWERS[0]) / (POWERS[1] - POWERS[0])), 1, POWERS.size - 2))
            grid = POWERS if turn == 1 else POWERS[i - 1 : i + 2]  # it hardly moves any more
            power = _best_power(grid, values[few], [c[few] for c in columns], flux[:, x[few]], logarithm[:, few], params.clip)
        halo = (light * np.exp(-power * logarithm[:, part])).sum(axis=0)
        if free:
            fit = _robust(values[part], [*some, halo], params.clip, fit if turn > 1 else None)
            amplitude = float(fit.values[-1])
            if fit.error > MAX_ERROR * abs(fit.values[0]) or amplitude <= 0:
                free, power, amplitude = False, WING_POWER, WING
                halo = (light * np.exp(-power * logarithm[:, part])).sum(axis=0)
        if not free:
            fit = _robust(values[part] - amplitude * halo, some, params.clip)
        scales = fit.values[[0, 1]] if len(columns) == 2 else np.repeat(fit.values[0], 2)
    if params.halo:
        text += " and the halo" if free else f", halo as in WASP-39 ({WING:g} at {WING_AT:g} px): not told from the sky"
    return Background(
        sky=(scales[0] * sides[0] + scales[1] * sides[1]).astype(np.float32),
        scale_left=float(scales[0]),
        scale_right=float(scales[1]),
        halo_amplitude=amplitude,
        halo_power=power,
        halo_light=flux,
        traces=beyond,
        step_shift=step,
        n_pixels=fit.n,
        residual_std=fit.sigma,
        method=text,
    )


class _Fit(NamedTuple):
    values: F64
    error: float
    """formal error of the first value"""
    sigma: float
    cost: float
    n: int


def _robust(values: F64, columns: list[F64], clip: float, like: _Fit | None = None) -> _Fit:
    """Least squares with weights 1 / sqrt(|residual|), renewed, and clipping against the robust scatter.

    ``like``: a fit of values and columns much like these, to start from.
    """
    a = np.stack(columns)
    weighted, found = a, np.zeros(len(columns)) if like is None else like.values
    size, sigma = np.abs(values), 0.0
    for turn in range(TURNS if like is None else AGAIN + 1):
        if turn > 0 or like is None:
            normal = weighted @ a.T + 1e-30 * np.eye(len(columns))
            found = np.asarray(np.linalg.solve(normal, weighted @ values), np.float64)
        size = np.abs(values - found @ a)
        sigma = 1.4826 * float(np.median(size))
        weighted = a * np.where(size <= clip * sigma, 1 / np.sqrt(np.maximum(size, 0.1 * sigma + 1e-30)), 0)
    inside = size <= clip * sigma
    plain = (a * inside) @ a.T
    error = sigma * float(np.sqrt(np.linalg.pinv(plain)[0, 0]))
    return _Fit(found, error, sigma, float(np.mean(np.minimum(size, clip * sigma))), int(np.count_nonzero(inside)))


def _best_power(powers: F64, values: F64, columns: list[F64], flux: F64, logarithm: F64, clip: float) -> float:
    """How steeply the halo falls: the best of a grid by the mean |residual|, refined by a parabola."""
    cost, fit = np.empty(powers.size), None
    for i, power in enumerate(powers):
        halo = (flux * np.exp(-power * logarithm)).sum(axis=0)
        fit = _robust(values, [*columns, halo], clip, fit)
        cost[i] = fit.cost
    return _lowest(powers, cost)


def _lowest(grid: F64, cost: F64) -> float:
    """Where a cost sampled on an even grid is lowest, by a parabola through the lowest sample and its neighbours."""
    i = int(np.argmin(cost))
    if i in (0, grid.size - 1):
        return float(grid[i])
    bend = cost[i - 1] - 2 * cost[i] + cost[i + 1]
    return float(grid[i] + (grid[1] - grid[0]) * 0.5 * (cost[i - 1] - cost[i + 1]) / bend) if bend > 0 else float(grid[i])


def _dark_pixels(image: F32, good: NDArray[np.bool_], traces: F64, params: BackgroundParams) -> NDArray[np.bool_]:
    asked = slice(None, params.last_column)
    away = distance(traces[:, asked], image[:, asked].shape)
    far = np.zeros(image.shape, bool)
    far[:, asked] = (away[0] > params.away) & (away[1] > params.away) & (away[2] > params.away_order3)
    far &= good & np.isfinite(image)
    return far


def _step_shift(image: F32, dark: NDArray[np.bool_], rows: F64) -> float:
    """Where the step lies [columns from the template's place], from column medians in bands of rows.

    It moves by several columns between visits and templates; 4 columns off leave 1 DN/s in some columns.
    """
    window = slice(650, 770)
    bands = []
    for first in range(0, rows.size, 32):
        use = dark[first : first + 32, window]
        columns = np.flatnonzero(np.count_nonzero(use, axis=0) >= 8)
        if columns.size < 60:
            continue
        values = np.where(use, image[first : first + 32, window], np.float32(np.nan))[:, columns]
        bands.append((rows[first : first + 32].mean(), columns + window.start, column_medians(values)))
    if not bands:
        return 0.0

    before: list[_Fit | None] = [None] * len(bands)

    def misfit(shift: float) -> float:
        sides = _sides(np.array([row for row, _, _ in bands]), window.stop, shift)
        total = 0.0
        for k, (_, columns, values) in enumerate(bands):
            # the halo is even over so few columns: a constant stands for it
            before[k] = fit = _robust(values.astype(np.float64), [*sides[:, k, columns], np.ones(values.size)], 6.0, before[k])
            total += fit.cost * values.size
        return total

    cost = np.full(STEP_SHIFTS.size, np.inf)
    cost[::COARSE] = [misfit(float(shift)) for shift in STEP_SHIFTS[::COARSE]]
    best = int(np.argmin(cost))
    near = slice(max(best - COARSE + 1, 0), best + COARSE)
    cost[near] = [misfit(float(shift)) for shift in STEP_SHIFTS[near]]
    return _lowest(STEP_SHIFTS, cost)
