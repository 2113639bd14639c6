import pytest

from tests.scoring.make import truth_values, write_run, write_truth
from tsoar.scoring import read_truth


@pytest.fixture(scope="session")
def truth(tmp_path_factory):
    return read_truth(write_truth(tmp_path_factory.mktemp("truth") / "truth.nc", truth_values()))


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    write_run(folder)
    return folder
