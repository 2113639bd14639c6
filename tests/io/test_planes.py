"""Planes of slope files straight from their bytes, against astropy."""

import os

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.make import tiny_exposure
from tsoar.errors import ExposureError
from tsoar.io.planes import places, read_plane

SHAPE = (3, 4, 5)


def write(path, shape=SHAPE, **changed):
    rng = np.random.default_rng(5)
    floats = {n: rng.normal(size=shape).astype(np.float32) for n in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")}
    images = floats | {"DQ": rng.integers(0, 2**32, shape, dtype=np.uint32)} | changed
    images["SCI"][0, 0, 0] = np.nan
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(data, name=n) for n, data in images.items() if data is not None)]
    fits.HDUList(hdus).writeto(path)
    return images


def test_the_same_numbers_as_astropy(tmp_path):
    images = write(tmp_path / "a.fits")
    starts = places(tmp_path / "a.fits", SHAPE)
    assert set(starts) == set(images)
    fd = os.open(tmp_path / "a.fits", os.O_RDONLY)
    for name, data in images.items():
        for k in range(SHAPE[0]):
            out = np.empty(SHAPE[1:], data.dtype)
            read_plane(fd, starts[name], out, "a.fits", k)
            assert out.tobytes() == data[k].tobytes()
    os.close(fd)


@pytest.mark.parametrize(
    "changed",
    [
        {"ERR": np.ones(SHAPE)},
        {"DQ": np.ones(SHAPE, np.int32)},
        {"VAR_RNOISE": None},
        {"ERR": np.ones(SHAPE[1:], np.float32)},
    ],
)
def test_what_is_not_plain_is_left_to_astropy(tmp_path, changed):
    write(tmp_path / "a.fits", **changed)
    assert places(tmp_path / "a.fits", SHAPE) == {}


def test_packed_files_are_left_to_astropy(tmp_path):
    write(tmp_path / "a.fits.gz")
    assert places(tmp_path / "a.fits.gz", SHAPE) == {}


def test_a_file_that_ends_too_early(tmp_path):
    write(tmp_path / "a.fits")
    start = places(tmp_path / "a.fits", SHAPE)["DQ"]
    os.truncate(tmp_path / "a.fits", start + 100)
    fd = os.open(tmp_path / "a.fits", os.O_RDONLY)
    with pytest.raises(ExposureError, match=r"a\.fits: ends inside integration 2; the file is truncated"):
        read_plane(fd, start, np.empty(SHAPE[1:], np.uint32), "a.fits", 1)
    os.close(fd)


def test_an_exposure_reads_the_same_both_ways(tmp_path):
    tiny = tiny_exposure(tmp_path / "exposure", n_int=6, n_groups=3, segments=2)
    tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), out=tmp_path / "out")
    exposure = tsoar.open(sorted((tmp_path / "out" / "rateints").glob("*.fits")))
    whole = exposure.slopes()
    shape = exposure.readout.shape
    for i in range(6):
        planes = [np.empty(shape, t) for t in (np.float32,) * 4 + (np.uint32,)]
        exposure.read_slopes(i, *planes)
        for got, name in zip(planes, ("slope", "err", "var_poisson", "var_rnoise", "dq"), strict=True):
            assert np.array_equal(got, getattr(whole, name)[i], equal_nan=True)
    exposure.close()
