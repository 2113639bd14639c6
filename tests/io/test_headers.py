"""Broken cards are lost by themselves; files that are no files are refused before they are opened."""

import gzip
import os

import pytest
from astropy.io import fits

from tsoar.errors import ExposureError
from tsoar.io.headers import compressed, need_regular_file, readable, reading


def test_good_cards_are_kept_and_broken_ones_are_named():
    good = fits.Header()
    good["TARGNAME"], good["NOTHING"], good["LONG"] = "A STAR", None, "x" * 200
    good["HIERARCH a long keyword"] = 1
    good["HISTORY"] = "of it"
    broken = ["TGROUP  = NaN", "PWCPOS  = garbage here", "TARGPROP= '\x1b[2J'", "NINTS   = 1E5"]
    text = good.tostring(endcard=False, padding=False) + "".join(c.ljust(80) for c in broken)
    kept, lost = readable(fits.Header.fromstring(text))
    assert lost == ["TGROUP", "PWCPOS", "TARGPROP"]
    assert kept["NINTS"] == 1e5 and kept["LONG"] == "x" * 200 and kept["A LONG KEYWORD"] == 1
    assert "NOTHING" in kept and list(kept["HISTORY"]) == ["of it"]
    assert kept["TARGNAME"] == "A STAR"
    kept.tostring()


def test_what_is_not_a_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name, text in (("pipe", "not a regular"), (".", "not a regular"), ("empty", "is empty"), ("link", "No such file")):
        with pytest.raises(ExposureError, match=f"^x: .*{text}"):
            need_regular_file(tmp_path / name, "x", ExposureError)
    (tmp_path / "whole").write_bytes(gzip.compress(b"12345"))
    assert need_regular_file(tmp_path / "whole", "x", ExposureError) > 5
    assert compressed(tmp_path / "whole")
    assert not compressed(tmp_path / "empty")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("NAXIS3"), "'NAXIS3' is missing"),
        (AttributeError("x"), "an extension is broken"),
        (OSError("one\ntwo"), "one"),
        (OverflowError(), "OverflowError"),
    ],
)
def test_whatever_fails_is_one_line(error, text):
    with pytest.raises(ExposureError) as caught, reading("a.fits", ExposureError):
        raise error
    assert f"a.fits: cannot be read as FITS ({text})" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ExposureError, match=r"^ours$"), reading("a.fits", ExposureError):
        raise ExposureError("ours")
