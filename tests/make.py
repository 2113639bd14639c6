"""Small simulated exposures as files: a star on the packaged traces and profiles, noise, stripes, hits, a transit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from tsoar.blocks import Readout
from tsoar.soss.profiles import profile_images
from tsoar.soss.subarrays import SUBARRAYS, reference_pixels
from tsoar.soss.tables import of_order
from tsoar.soss.traces import published_traces
from tsoar.soss.wavelength import wavelengths

STEM = "jw00001001001_04101_00001"
GAIN, CDS = 1.6, 15.0


@dataclass
class Tiny:
    """Where the exposure is, and its truth."""

    folder: Path
    uncal: list[Path]
    refs: Path
    star: np.ndarray  # (3, y, x) [DN/s]
    sky: float
    light: np.ndarray  # (i,) of all orders


def header(readout, first, n, number, total, n_all):
    """The keywords of an uncal segment that matter."""
    h = fits.Header()
    values = {
        "TELESCOP": "JWST", "INSTRUME": "NIRISS", "DETECTOR": "NIS", "EXP_TYPE": "NIS_SOSS", "FILTER": "CLEAR",
        "PUPIL": "GR700XD", "SUBARRAY": readout.subarray, "SUBSTRT1": readout.corner[0], "SUBSTRT2": readout.corner[1],
        "SUBSIZE1": 2048, "SUBSIZE2": readout.shape[0], "FASTAXIS": -2, "SLOWAXIS": -1, "READPATT": "NISRAPID",
        "TFRAME": readout.tframe, "TGROUP": readout.tgroup, "NGROUPS": readout.n_groups, "NINTS": n_all, "NFRAMES": 1,
        "GROUPGAP": 0, "PWCPOS": readout.pwcpos, "EXSEGNUM": number, "EXSEGTOT": total, "INTSTART": first + 1,
        "INTEND": first + n, "TARGNAME": "A STAR", "DATE": "2026-01-01T00:00:00",
    }  # fmt: skip
    h.update(values)
    return h


def tiny_exposure(folder, n_int=12, n_groups=4, segments=2, subarray="SUBSTRIP96", seed=1, transit=0.02, brightness=1.0):
    """Write uncal segments and references; the transit is a box over the middle third."""
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    sub = SUBARRAYS[subarray]
    readout = Readout(subarray, sub.shape, sub.corner, n_groups, sub.tframe, sub.tframe)
    ny, nx = sub.shape
    traces = published_traces(readout.pwcpos) - sub.row_offset
    x = np.arange(nx)
    rates = np.stack([np.interp(x, of_order("soss_counts", o)["x"], of_order("soss_counts", o)["wasp43"]) for o in (1, 2, 3)])
    waves = np.where(np.isfinite(wavelengths(readout)), wavelengths(readout), 1.0)
    star = np.nan_to_num(profile_images(traces, waves, sub.shape)) * rates[:, None] * brightness
    bad = reference_pixels(readout)
    star[:, bad] = 0
    light = np.ones(n_int)
    light[n_int // 3 : 2 * n_int // 3] -= transit
    bias = rng.uniform(9000, 15000, sub.shape).astype(np.float32).round()
    sky = np.where(bad, 0, 4.0)
    folder.mkdir(parents=True, exist_ok=True)
    uncal, first = [], 0
    for number, part in enumerate(np.array_split(np.arange(n_int), segments), 1):
        data = np.empty((part.size, n_groups, ny, nx), np.uint16)
        for k, i in enumerate(part):
            mean = (star.sum(0) * light[i] + sky) * readout.tgroup * GAIN
            photons = rng.poisson(mean, (n_groups, ny, nx)).astype(np.float32).cumsum(axis=0) / GAIN
            read = rng.normal(0, CDS / np.sqrt(2), (n_groups, ny, nx)) + rng.normal(0, 3, (n_groups, 1, nx))
            hits = np.where(rng.random((n_groups, ny, nx)) < 2e-5, 2000.0, 0).cumsum(axis=0)
            data[k] = np.clip(np.round(bias + photons + read + hits), 1, 65535)
        length = n_groups * readout.tframe / 86400
        names = [f"int_{when}_{scale}" for scale in ("MJD_UTC", "BJD_TDB") for when in ("start", "mid", "end")]
        times = np.zeros(part.size, [("integration_number", "i4"), *((name, "f8") for name in names)])
        times["integration_number"] = part + 1
        for k, name in enumerate(names):  # start, middle, end; the barycentre 0.003 d later
            begin = 60000 + part * (n_groups + 1) * readout.tframe / 86400
            times[name] = begin + length * (k % 3) / 2 + (0.003 if "TDB" in name else 0)
        path = folder / f"{STEM}-seg{number:03d}_nis_uncal.fits"
        hdus = [
            fits.PrimaryHDU(header=header(readout, first, part.size, number, segments, n_int)),
            fits.ImageHDU(data, name="SCI"),
            fits.BinTableHDU(times, name="INT_TIMES"),
        ]
        fits.HDUList(hdus).writeto(path, overwrite=True)
        uncal.append(path)
        first += part.size
    write_references(folder / "refs", readout, bias, bad)
    return Tiny(folder, uncal, folder / "refs", star, 4.0, light)


def write_references(folder, readout, bias, bad):
    """References that belong to it: exact bias, identity linearity, no dark."""
    folder.mkdir(exist_ok=True)
    ny, nx = readout.shape
    mask = np.where(bad, 4, 0).astype(np.uint32)  # bits in an order of the file's own
    mask[40, 100] = 2
    definition = np.array(
        [(0, 2, "DO_NOT_USE", ""), (1, 4, "REFERENCE_PIXEL", "")],
        [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")],
    )
    coeffs = np.zeros((5, ny, nx), np.float32)
    coeffs[1] = 1
    plane = lambda v: np.full((ny, nx), v, np.float32)  # noqa: E731
    content = {
        "mask": [fits.ImageHDU(mask, name="DQ"), fits.BinTableHDU(definition, name="DQ_DEF")],
        "saturation": [fits.ImageHDU(plane(60000), name="SCI")],
        "superbias": [fits.ImageHDU(bias, name="SCI")],
        "linearity": [fits.ImageHDU(coeffs, name="COEFFS")],
        "dark": [fits.ImageHDU(np.zeros((readout.n_groups, ny, nx), np.float32), name="SCI")],
        "gain": [fits.ImageHDU(plane(GAIN), name="SCI")],
        "readnoise": [fits.ImageHDU(plane(CDS), name="SCI")],
    }
    for kind, hdus in content.items():
        primary = fits.PrimaryHDU()
        primary.header.update(
            {"TELESCOP": "JWST", "INSTRUME": "NIRISS", "DETECTOR": "NIS", "REFTYPE": kind.upper(), "SUBARRAY": readout.subarray,
             "SUBSTRT1": readout.corner[0], "SUBSTRT2": readout.corner[1], "NFRAMES": 1, "GROUPGAP": 0}
        )  # fmt: skip
        fits.HDUList([primary, *hdus]).writeto(folder / f"file_{kind}.fits", overwrite=True)
