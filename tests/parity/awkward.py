"""A simulated exposure in which every awkward case of the references and of the counts occurs, thousands of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from tsoar.sim import scenario, simulate

STANDARD = {
    "DO_NOT_USE": 1,
    "NO_LIN_CORR": 1 << 20,
    "NO_SAT_CHECK": 1 << 21,
    "UNRELIABLE_BIAS": 1 << 22,
    "UNRELIABLE_DARK": 1 << 23,
}


@dataclass(frozen=True)
class Awkward:
    """Where its files are."""

    segments: list[Path]
    references: dict[str, Path]
    folder: Path


def awkward_exposure(
    folder: Path, subarray: str, n_int: int = 4, n_groups: int = 6, segments: int = 1, seed: int = 5
) -> Awkward:
    """Simulate, then break things: references with NaN, zeros and flags, counts with zeros, saturation and cosmic rays."""
    values = {
        "exposure.subarray": subarray,
        "exposure.nints": n_int,
        "exposure.ngroups": n_groups,
        "exposure.segments": segments,
    }
    made = simulate(scenario(values=values), folder)
    rng = np.random.default_rng(seed)
    references = {f.name.split("_")[2]: f for f in sorted(made.references.iterdir())}
    for kind, path in references.items():
        with fits.open(path, memmap=False) as hdus:
            science = hdus["COEFFS" if kind == "linearity" else "SCI"] if kind != "mask" else None
            _spoil(kind, science, hdus, rng)
            hdus.writeto(path, overwrite=True)
    for path in made.segments:
        with fits.open(path, memmap=False) as hdus:
            hdus["SCI"].data = _spoilt_counts(hdus["SCI"].data.copy(), rng)
            hdus.writeto(path, overwrite=True)
    return Awkward(list(made.segments), references, Path(folder))


def _somewhere(rng, shape, n):
    """Positions in the subarray's rows, also in a full frame."""
    first, last = (1802, 1898) if shape[0] == 2048 else (0, shape[0])
    return rng.integers(first, last, n), rng.integers(0, shape[1], n)


def _flag(hdus, where, name):
    """Set a flag by name; where the file defines its own bits (DQ_DEF), by those, and a free one for a name it lacks."""
    value = STANDARD[name]
    if "DQ_DEF" in hdus:
        table = hdus["DQ_DEF"].data
        known = {str(r["NAME"]).strip(): int(r["VALUE"]) & 0xFFFFFFFF for r in table}
        if name not in known:
            known[name] = next(1 << b for b in range(31, -1, -1) if 1 << b not in known.values())
        value = known[name]
        rows = [(v.bit_length() - 1, v, n, "") for n, v in known.items()]
        kinds = [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
        hdus["DQ_DEF"] = fits.BinTableHDU(np.array(rows, kinds), name="DQ_DEF")
    data = hdus["DQ"].data.copy()
    data[where] |= np.uint32(value)
    hdus["DQ"].data = data


def _spoil(kind, science, hdus, rng):
    if kind == "mask":
        shape = hdus["DQ"].data.shape
        _flag(hdus, _somewhere(rng, shape, 400), "DO_NOT_USE")
        columns = np.concatenate([np.arange(4), np.arange(2044, 2048)])
        _flag(hdus, (_somewhere(rng, shape, 60)[0], rng.choice(columns, 60)), "DO_NOT_USE")  # bad reference pixels
        return
    data = science.data.astype(np.float32)
    shape = data.shape[-2:]
    spots = [_somewhere(rng, shape, 120) for _ in range(5)]
    if kind == "saturation":
        data[spots[0]] = np.nan
        data[spots[1]] = rng.uniform(5000, 16000, 120)  # saturated from any group on
        data[_somewhere(rng, shape, 300)] = rng.uniform(12000, 20000, 300)
        _flag(hdus, spots[2], "NO_SAT_CHECK")
    elif kind == "superbias":
        data[spots[0]] = np.nan
        _flag(hdus, spots[1], "UNRELIABLE_BIAS")
    elif kind == "linearity":
        data[0][spots[0]] = np.nan
        data[3][spots[1]] = np.nan
        data[1][spots[2]] = 0
        _flag(hdus, spots[3], "NO_LIN_CORR")
    elif kind == "dark":
        data[2][spots[0]] = np.nan
        _flag(hdus, spots[1], "UNRELIABLE_DARK")
    elif kind == "gain":
        data[spots[0]], data[spots[1]], data[spots[2]] = np.nan, 0, -1.5
    elif kind == "readnoise":
        data[spots[0]], data[spots[1]], data[spots[2]] = np.nan, 0, 1e5
    if "DQ" in hdus:
        _flag(hdus, spots[4], "DO_NOT_USE")
    science.data = data


def _spoilt_counts(counts, rng):
    """Zeros in single groups, thousands of hits of all sizes, a few downwards; (i, g, y, x) uint16."""
    ni, ng, ny, nx = counts.shape
    data = counts.astype(np.int64)
    hits = np.zeros(data.shape)
    n = 3000 * ni
    where = (rng.integers(0, ni, n), rng.integers(0, ng, n), rng.integers(0, ny, n), rng.integers(0, nx, n))
    hits[where] = 10 ** rng.uniform(1.3, 4.5, n) * np.where(rng.random(n) < 0.05, -1, 1)
    data += np.cumsum(hits, axis=1).astype(np.int64)
    m = 200 * ni
    data[rng.integers(0, ni, m), rng.integers(0, ng, m), rng.integers(0, ny, m), rng.integers(0, nx, m)] = 0
    return np.clip(data, 0, 65535).astype(np.uint16)
