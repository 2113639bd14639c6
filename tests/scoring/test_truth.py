import json

import numpy as np
import pytest

from tests.scoring.make import COLUMNS, GROUPS, HITS, ROWS, N, T, truth_values, write_truth
from tsoar.errors import InputError
from tsoar.scoring import read_truth


def npz_keys(planet="transit"):
    """Keys of the independent simulator, as its README names them."""
    values = {name: value for name, (_, value) in truth_values().items()}
    same = "star_image sky_image field_image dark_image wavelength depth light_curve grey time drift_y drift_x stretch"
    keys = {name: values[name] for name in [*same.split(), "gain", "read_noise", "mask", "column_time"]}
    renamed = {"trace_y": "trace", "centroid_y": "centroid", "rate_dn": "rate", "edge_y": "trace"}
    keys |= {key: values[name] for key, name in renamed.items()}
    hits = {"int": "integration", "group": "group", "row": "row", "col": "column", "dn": "dn", "event": "event"}
    keys |= {f"cr_{key}": values[f"hit_{name}"] for key, name in hits.items()}
    return keys | {
        "parameters": json.dumps({"subarray": "TEST", "ngroups": GROUPS}),
        "tframe": T,
        "t_mid": 60000.01,
        "planet_kind": planet,
        "emission": np.full((3, COLUMNS), 1e-3),
        "bad_dead": np.array([[7, 50], [7, 51]], np.int32),
        "bad_hot_unflagged": np.array([[8, 70]], np.int32),
        "bad_ref_nan_gain": np.array([[9, 9]], np.int32),
    }


def test_netcdf(truth):
    assert truth.shape == (ROWS, COLUMNS) and truth.integrations == N
    assert (truth.n_groups, truth.t_group, truth.event, truth.subarray) == (GROUPS, T, "transit", "TEST")
    assert truth.bad.sum() == 10 and truth.reference.sum() == 8 * ROWS and truth.masked.sum() == 1
    assert truth.edges is None


def test_folder_stands_for_its_truth(tmp_path, truth):
    write_truth(tmp_path / "truth.nc", truth_values())
    assert read_truth(tmp_path).path == tmp_path / "truth.nc"


def test_npz(tmp_path, truth):
    np.savez(tmp_path / "truth.npz", **npz_keys())
    found = read_truth(tmp_path / "truth.npz")
    for name in ("trace", "centroid", "wavelength", "rate", "star_image", "light_curve", "depth", "gain", "reference"):
        np.testing.assert_array_equal(getattr(found, name), getattr(truth, name))
    np.testing.assert_array_equal(found.hits.dn, truth.hits.dn)
    assert found.bad.sum() == 3, "healthy pixels with odd references are not odd"
    assert (found.n_groups, found.t_group, found.event) == (GROUPS, T, "transit")
    np.testing.assert_array_equal(found.edges, truth.trace)


def test_npz_of_an_eclipse_and_of_a_star_alone(tmp_path):
    np.savez(tmp_path / "e.npz", **npz_keys("eclipse"))
    assert np.all(read_truth(tmp_path / "e.npz").depth == 1e-3)
    np.savez(tmp_path / "n.npz", **(npz_keys() | {"depth": np.zeros((3, COLUMNS))}))
    assert read_truth(tmp_path / "n.npz").event == "none"


def test_outside_of_the_event(truth):
    expected = np.abs(np.arange(N) - N / 2) >= 10
    np.testing.assert_array_equal(truth.outside(), expected)


def broken(values, **changes):
    for name, value in changes.items():
        if value is None:
            del values[name]
        else:
            values[name] = value
    return values


@pytest.mark.parametrize(
    ("changes", "attributes", "why"),
    [
        ({"trace": None}, {}, "trace is not in it"),
        ({"gain": (("a", "b"), np.ones((3, 3)))}, {}, "gain is"),
        ({"hit_row": (("hit",), np.full(HITS, ROWS))}, {}, "outside the exposure"),
        ({}, {"event": "flare"}, "flare"),
        ({}, {"n_groups": 1}, "groups"),
    ],
)
def test_what_is_not_a_truth_is_refused_in_one_line(tmp_path, changes, attributes, why):
    path = write_truth(tmp_path / "truth.nc", broken(truth_values(), **changes), **attributes)
    with pytest.raises(InputError, match=why) as caught:
        read_truth(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"not a zip file")
    (tmp_path / "a.nc").write_bytes(b"not netCDF")
    np.savez(tmp_path / "b.npz", x=1)
    (tmp_path / "empty.npz").touch()
    (tmp_path / "empty.nc").touch()
    for name in ("a.npz", "a.nc", "b.npz", "empty.npz", "empty.nc"):
        with pytest.raises(InputError, match="not the truth"):
            read_truth(tmp_path / name)
    for name in ("none.nc", "."):
        with pytest.raises(InputError, match="no such file"):
            read_truth(tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truth_that_was_cut_off_or_damaged_is_refused(tmp_path, share):
    values = {name: np.asarray(value[1]) for name, value in truth_values().items()}
    np.savez_compressed(tmp_path / "whole.npz", **values)
    for whole in (tmp_path / "whole.npz", write_truth(tmp_path / "whole.nc", truth_values())):
        data = bytearray(whole.read_bytes())
        cut = whole.with_stem("cut")
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match="not the truth"):
            read_truth(cut)
    data = bytearray((tmp_path / "whole.npz").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / "damaged.npz").write_bytes(data)
    with pytest.raises(InputError, match="not the truth"):
        read_truth(tmp_path / "damaged.npz")
