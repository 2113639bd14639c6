"""Opening exposures: order, kinds, repairs, and everything that is refused in one line."""

import gzip
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tsoar.errors import ExposureError


def changed(tiny, tmp_path, number=0, drop_table=False, **keywords):
    """A copy of the exposure with keywords of one segment changed (None: removed)."""
    out = []
    for k, path in enumerate(tiny.uncal):
        new = tmp_path / path.name
        shutil.copy(path, new)
        if k == number:
            with fits.open(new, mode="update") as hdus:
                for key, value in keywords.items():
                    if value is None:
                        del hdus[0].header[key]
                    else:
                        hdus[0].header[key] = value
                if drop_table:
                    del hdus["INT_TIMES"]
        out.append(new)
    return out


def test_segments_in_any_order_are_one_exposure(tiny):
    exposure = tsoar.open(tiny.uncal[::-1])
    assert (exposure.kind, exposure.n_integrations, exposure.n_groups) == ("uncal", 12, 4)
    assert [s.number for s in exposure.segments] == [1, 2]
    assert (np.diff(exposure.time) > 0).all()
    assert exposure.readout.subarray == "SUBSTRIP96"
    for given in (tiny.folder, str(tiny.folder / "*_uncal.fits")):
        assert tsoar.open(given).n_integrations == 12


def test_counts_are_astropys(tiny):
    exposure = tsoar.open(tiny.uncal)
    truth = np.concatenate([fits.getdata(p, "SCI") for p in tiny.uncal])
    np.testing.assert_array_equal(exposure.counts(slice(4, 8)), truth[4:8])
    ramps = exposure.ramps(7)
    np.testing.assert_array_equal(ramps.data[0], truth[7].astype(np.float32))
    assert ramps.first == 7
    raw = np.empty((12, 4, 96, 2048), np.uint16)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: exposure.read_raw(i, raw[i]), range(12)))
    np.testing.assert_array_equal(raw.byteswap() ^ np.uint16(0x8000), truth)


@pytest.mark.parametrize(
    ("keyword", "value"), [("TGROUP", "2.214 "), ("NGROUPS", "4"), ("NFRAMES", None), ("TELESCOP", None), ("PWCPOS", None)]
)
def test_odd_headers_are_repaired_with_a_note(tiny, tmp_path, keyword, value):
    exposure = tsoar.open(changed(tiny, tmp_path, **{keyword: value})[:1])
    assert any(keyword in text for text in exposure.repairs)
    assert exposure.readout.tgroup == 2.214


def test_without_times_they_are_computed_and_said_so(tiny, tmp_path):
    exposure = tsoar.open(changed(tiny, tmp_path, drop_table=True, EXPSTART=60000.0)[:1])
    assert exposure.time_source == "EXPSTART"
    assert np.diff(exposure.time)[0] * 86400 == pytest.approx(5 * 2.214)
    assert "INT_TIMES" in " ".join(exposure.repairs)


REFUSED = [
    ({"INSTRUME": "NIRSPEC"}, "expected 'NIRISS'"),
    ({"EXP_TYPE": "NIS_IMAGE"}, "NIS_SOSS"),
    ({"SUBARRAY": "SUB204STRIPE_SOSS"}, "not supported yet"),
    ({"SUBARRAY": "SUBSTRIP256"}, "256 x 2048"),
    ({"NFRAMES": 4}, "NFRAMES"),
    ({"TGROUP": -1.0}, "above 0"),
    ({"EXSEGNUM": 2}, "twice|missing"),
    ({"PWCPOS": 245.9}, "pwcpos"),
    ({"TARGNAME": "ANOTHER"}, "TARGNAME"),
    ({"PWCPOS": 1e300}, "PWCPOS is 1e\\+300, expected 243.76 to 247.76"),
    ({"TFRAME": 1e-9}, "TFRAME"),
    ({"SUBSTRT2": 5}, "SUBSTRT2 is 5, expected 1803"),
    ({"GROUPGAP": -3}, "GROUPGAP"),
    ({"EXSEGTOT": 10**9}, "EXSEGTOT"),
]


@pytest.mark.parametrize(("keywords", "text"), REFUSED, ids=[str(r[0]) for r in REFUSED])
def test_what_does_not_fit_is_refused(tiny, tmp_path, keywords, text):
    with pytest.raises(ExposureError, match=text) as error:
        tsoar.open(changed(tiny, tmp_path, **keywords))
    assert "\n" not in str(error.value)


def test_files_that_are_not_there_whole_or_fits(tiny, tmp_path):
    whole = tiny.uncal[0].read_bytes()
    for name, data, text in (
        ("empty", b"", "FITS"),
        ("text", b"not fits at all" * 999, "FITS"),
        ("cut", whole[: len(whole) // 2], "truncated"),
    ):
        path = tmp_path / f"{name}-seg001_nis_uncal.fits"
        path.write_bytes(data)
        with pytest.raises(ExposureError, match=text):
            tsoar.open(path)
    for path, text in (
        (tmp_path / "none.fits", "no such"),
        (tmp_path / "*.none", "no file matches"),
        (tiny.refs, "no \\*_uncal"),
        ([], "no files"),
    ):
        with pytest.raises(ExposureError, match=text):
            tsoar.open(path)
    with pytest.raises(ExposureError, match="twice"):
        tsoar.open([tiny.uncal[0], tiny.uncal[0]])


def test_times_that_make_no_sense(tiny, tmp_path):
    for column, text in ((np.full(6, np.nan), "NaN"), (np.arange(6.0)[::-1] + 60000, "do not increase")):
        path = changed(tiny, tmp_path)[0]
        with fits.open(path, mode="update") as hdus:
            for name in ("int_mid_BJD_TDB", "int_mid_MJD_UTC"):
                hdus["INT_TIMES"].data[name] = column
        with pytest.raises(ExposureError, match=text):
            tsoar.open(path)


def test_times_that_do_not_go_together(tiny, tmp_path):
    """A segment without its table beside one that has it; one that lies years away."""
    with pytest.raises(ExposureError, match=r"seg002.*do not go together"):
        tsoar.open(changed(tiny, tmp_path, number=1, drop_table=True, EXPSTART=60000.0))
    path = changed(tiny, tmp_path)[1]
    with fits.open(path, mode="update") as hdus:
        hdus["INT_TIMES"].data["int_mid_BJD_TDB"] += 1000
    with pytest.raises(ExposureError, match=r"seg002.*more than 10 d after"):
        tsoar.open(tmp_path)


def test_compressed_counts_are_refused(tiny, tmp_path):
    path = tmp_path / "a_nis_uncal.fits.gz"
    path.write_bytes(gzip.compress(tiny.uncal[0].read_bytes(), 1))
    with pytest.raises(ExposureError, match="unpack it"):
        tsoar.open(path)


def test_slopes_are_not_counts(tiny):
    exposure = tsoar.from_array(np.ones((3, 96, 2048)))
    with pytest.raises(ExposureError, match="raw counts"):
        exposure.counts()
    with pytest.raises(ExposureError, match="raw counts"):
        tsoar.open(tiny.uncal).slopes()
