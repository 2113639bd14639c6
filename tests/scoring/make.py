"""A small exposure's truth, and products with known errors, as files."""

import json

import numpy as np
import xarray as xr
from astropy.io import fits

ROWS, COLUMNS, N, GROUPS, T = 40, 2048, 40, 5, 5.494
RADIUS, HITS = 6.0, 4000
CENTRES = (12.0, 28.0, 36.0)
LEVELS = (300.0, 120.0, 6.0)
REFERENCE = 2147483648


def truth_values(seed=1, event="transit", n=N):
    """Variables of truth.nc; drift of 20 mpx, widths of 1 part in 1000, 1 % of slow change, hits in healthy pixels."""
    rng = np.random.default_rng(seed)
    x, rows = np.arange(COLUMNS), np.arange(ROWS)[:, None]
    trace = np.stack([centre + 0.5 * np.sin(x / 300) for centre in CENTRES])
    wavelength = np.stack([2.83 - 0.00097 * x, 1.4 - 0.00047 * x, 0.95 - 0.00035 * x])
    trace[2, 900:] = wavelength[2, 900:] = np.nan
    image = np.zeros((3, ROWS, COLUMNS))
    for k in range(3):
        image[k] = LEVELS[k] * np.nan_to_num(np.exp(-0.5 * ((rows - trace[k]) / 1.5) ** 2))
    time = 60000.0 + np.arange(n) * 0.0005
    phase = np.clip((10.0 - np.abs(np.arange(n) - n / 2)) / 3.0, 0, 1)
    depth = np.broadcast_to(0.01 + 0.001 * np.sin(x / 200), (3, COLUMNS)) * (0.0 if event == "none" else 1.0)
    if event == "eclipse":
        curve = 1.0 + depth[:, None] * (1 - phase)[:, None]
    else:
        curve = 1.0 - depth[:, None] * phase[:, None]
    mask = np.zeros((ROWS, COLUMNS), np.uint32)
    mask[:, :4] = mask[:, -4:] = REFERENCE
    mask[5, 100] = 1
    bad = np.zeros((ROWS, COLUMNS), bool)
    bad[7, 50:60] = True
    hits = rng.integers([0, 0, 8, 10], [n, GROUPS, 32, COLUMNS - 10], (HITS, 4))
    order = ("order", "row", "column")
    frame, series = order[1:], ("integration",)
    flat = lambda value: (frame, np.full((ROWS, COLUMNS), value, np.float32))  # noqa: E731
    return {
        "trace": (("order", "column"), trace),
        "centroid": (("order", "column"), trace + 0.1),
        "wavelength": (("order", "column"), wavelength),
        "rate": (("order", "column"), image.sum(axis=1)),
        "star_image": (order, image.astype(np.float32)),
        "sky_image": flat(2.0),
        "field_image": flat(0.0),
        "dark_image": flat(0.03),
        "depth": (("order", "column"), np.ascontiguousarray(depth)),
        "light_curve": (("order", "integration", "column"), curve.astype(np.float32)),
        "grey": (series, 1 + 0.01 * np.linspace(-1, 1, n)),
        "time": (series, time),
        "column_time": (("column",), np.zeros(COLUMNS)),
        "drift_y": (series, 0.02 * np.sin(np.arange(n))),
        "drift_x": (series, np.zeros(n)),
        "stretch": (series, 1 + 0.001 * np.cos(np.arange(n))),
        "gain": flat(1.6),
        "read_noise": flat(11.0),
        "superbias": flat(12000.0),
        "saturation": flat(60000.0),
        "mask": (frame, mask),
        "bad": (frame, bad),
        "hit_integration": (("hit",), hits[:, 0].astype(np.int32)),
        "hit_group": (("hit",), hits[:, 1].astype(np.int32)),
        "hit_row": (("hit",), hits[:, 2].astype(np.int32)),
        "hit_column": (("hit",), hits[:, 3].astype(np.int32)),
        "hit_dn": (("hit",), np.exp(rng.uniform(np.log(20), np.log(2000), HITS)).astype(np.float32)),
        "hit_event": (("hit",), np.arange(HITS, dtype=np.int32)),
    }


def write_truth(path, values, event="transit", **attributes):
    t_mid = float(values["time"][1][values["time"][1].size // 2])
    attrs = {"subarray": "TEST", "n_groups": GROUPS, "t_group": T, "t_mid": t_mid, "event": event, "scenario": "{}"}
    xr.Dataset(values, {"order": [1, 2, 3]}, attrs | attributes).to_netcdf(path, engine="h5netcdf")
    return path


def write_spectra(out, truth, flux, error, **changes):
    dims = ("integration", "order", "column")
    data = {
        "flux": (dims, np.nan_to_num(flux).astype(np.float32)),
        "flux_err": (dims, np.nan_to_num(error, nan=1.0).astype(np.float32)),
        "valid": (dims, np.isfinite(flux).astype(np.uint8)),
        "wavelength": (dims[1:], truth.wavelength),
        "time": (dims[:1], truth.time),
    }
    xr.Dataset(data | changes, {"order": [1, 2, 3]}).to_netcdf(out / "spectra.nc", engine="h5netcdf")


def write_traces(out, truth, y, shift, **changes):
    dims = ("integration", "order", "column")
    data = {"y": (dims, y), "valid": (dims, np.isfinite(y).astype(np.uint8)), "shift": (dims[:2], shift)}
    xr.Dataset(data | changes, {"order": [1, 2, 3]}).to_netcdf(out / "traces.nc", engine="h5netcdf")


def write_rateints(out, science, error, dq, segments=2):
    (out / "rateints").mkdir(exist_ok=True)
    for s, which in enumerate(np.array_split(np.arange(len(science)), segments)):
        primary = fits.PrimaryHDU()
        primary.header["INTSTART"] = int(which[0]) + 1
        images = (("SCI", science, np.float32), ("ERR", error, np.float32), ("DQ", dq, np.uint32))
        hdus = [fits.ImageHDU(data[which].astype(kind), name=name) for name, data, kind in images]
        fits.HDUList([primary, *hdus]).writeto(out / "rateints" / f"t-seg{s:03d}_rateints.fits", overwrite=True)


def write_jump(out, groupdq):
    primary = fits.PrimaryHDU()
    primary.header["INTSTART"] = 1
    fits.HDUList([primary, fits.ImageHDU(groupdq.astype(np.uint8), name="GROUPDQ")]).writeto(out / "t_jump.fits")


def write_run(out, steps=("dark_current", "ramp_fit")):
    run = {"config": {"extract": {"radius": RADIUS}}, "steps": list(steps)}
    (out / "run.json").write_text(json.dumps(run))
