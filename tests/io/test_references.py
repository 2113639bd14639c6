"""References: known by header, cut while read, flags by name, refused when they do not fit."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tsoar import flags
from tsoar.blocks import Reference
from tsoar.errors import ReferenceFileError
from tsoar.io.references import remap
from tsoar.soss.subarrays import reference_pixels


def full_frame(path, kind, image, **keywords):
    """A full-frame reference."""
    primary = fits.PrimaryHDU()
    primary.header.update(
        {"REFTYPE": kind.upper(), "INSTRUME": "NIRISS", "DETECTOR": "NIS", "SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1}
        | keywords
    )
    fits.HDUList([primary, fits.ImageHDU(image, name="DQ" if kind == "mask" else "SCI")]).writeto(path, overwrite=True)
    return path


def test_a_folder_is_known_by_its_headers(tiny):
    refs = tsoar.references(tiny.refs)
    readout = tsoar.open(tiny.uncal).readout
    assert all(refs.have(k) for k in ("mask", "gain", "dark"))
    mask = refs.cut("mask", readout).dq
    expected = np.where(reference_pixels(readout), flags.REFERENCE_PIXEL, 0)
    expected[40, 100] = flags.DO_NOT_USE
    np.testing.assert_array_equal(mask, expected)  # bits re-mapped by name
    assert refs.linearity.data.shape == (5, 96, 2048)
    assert {r["type"] for r in refs.record()} == {"mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise"}


def test_a_full_frame_is_cut_while_it_is_read(tiny, tmp_path):
    image = np.random.default_rng(1).random((2048, 2048)).astype(np.float32)
    path = full_frame(tmp_path / "gain.fits", "gain", image)
    readout = tsoar.open(tiny.uncal).readout
    got = tsoar.references(tiny.refs, gain=path).cut("gain", readout)
    np.testing.assert_array_equal(got.data, image[1802:1898])
    np.testing.assert_array_equal(got.data, Reference("gain", image, None, (1, 1)).cut(readout).data)


def test_what_does_not_fit_is_refused(tiny, tmp_path):
    readout = tsoar.open(tiny.uncal).readout
    small = full_frame(tmp_path / "small.fits", "gain", np.ones((64, 64), np.float32), SUBARRAY="SUBSTRIP96", SUBSTRT2=1803)
    with pytest.raises(ReferenceFileError, match="--ref gain"):
        tsoar.references(tiny.refs, gain=small).cut("gain", readout)
    for keywords, text in (({"DETECTOR": "NRCA1"}, "NRCA1"), ({"SUBARRAY": "SUB80"}, "SUB80")):
        path = full_frame(tmp_path / "other.fits", "gain", np.ones((2048, 2048), np.float32), **keywords)
        with pytest.raises(ReferenceFileError, match=text):
            tsoar.references(tiny.refs, gain=path).check(readout)
    with pytest.raises(ReferenceFileError, match="REFTYPE is GAIN"):
        tsoar.references(tiny.refs, dark=path)
    with pytest.raises(ReferenceFileError, match="no such folder"):
        tsoar.references(tmp_path / "none")
    with pytest.raises(ReferenceFileError, match="not known"):
        tsoar.references(tiny.refs, flat=path)
    with pytest.raises(ReferenceFileError, match="--ref dark"):
        tsoar.references([tiny.refs / "file_gain.fits"]).cut("dark", readout)
    with pytest.raises(ReferenceFileError, match="several"):
        tsoar.references([tiny.refs / "file_gain.fits", path])
    with pytest.raises(ReferenceFileError, match="does not hold"):
        Reference("gain", np.ones((96, 2048), np.float32), None, (1, 1700)).cut(replace(readout))


def test_references_without_content_are_refused(tiny, tmp_path):
    readout = tsoar.open(tiny.uncal).readout
    nan = np.full((2048, 2048), np.nan, np.float32)
    for name, path, text in (
        ("superbias", full_frame(tmp_path / "nan.fits", "superbias", nan), "0 % of its values are finite"),
        ("mask", full_frame(tmp_path / "mask.fits", "mask", np.ones((2048, 2048), np.float32)), "expected integer flags"),
    ):
        with pytest.raises(ReferenceFileError, match=f"{path.name}.*{text}"):
            tsoar.references(tiny.refs, **{name: path}).cut(name, readout)
    (tmp_path / "broken.fits").write_bytes(b"no FITS")
    with pytest.raises(ReferenceFileError, match=r"no dark reference .*not readable: broken.fits"):
        tsoar.references(tmp_path).cut("dark", readout)
    definition = np.array([(2, "NOBODY")], [("VALUE", "u4"), ("NAME", "U20")])
    with pytest.raises(ReferenceFileError, match="names none that is known"):
        remap(np.full((2, 2), 2, np.uint32), definition)


def test_crds_is_asked_only_when_told(tiny, tmp_path, monkeypatch):
    exposure = tsoar.open(tiny.uncal)
    asked = {}

    def getreferences(keys, reftypes, observatory):
        asked.update(keys)
        return {k: str(tiny.refs / f"file_{k}.fits") for k in reftypes}

    fake = types.SimpleNamespace(getreferences=getreferences, get_context_name=lambda observatory: "jwst_9999.pmap")
    monkeypatch.setitem(sys.modules, "crds", fake)
    refs = tsoar.references(crds=True, exposure=exposure)
    assert refs.context == "jwst_9999.pmap"
    assert asked["META.SUBARRAY.NAME"] == "SUBSTRIP96"
    assert refs.cut("gain", exposure.readout).data.shape == (96, 2048)
    fake.getreferences = lambda *a, **k: 1 / 0
    with pytest.raises(ReferenceFileError, match="CRDS"):
        tsoar.references(crds=True, exposure=exposure)
    monkeypatch.setitem(sys.modules, "crds", None)
    with pytest.raises(ReferenceFileError, match=r"pip install 'tsoar\[crds\]'"):
        tsoar.references(crds=True, exposure=exposure)
