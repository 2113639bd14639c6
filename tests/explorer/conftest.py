"""A run of the small exposure, and a page's session on it."""

import pytest

import tsoar
from tsoar.explorer.opening import open_run
from tsoar.reduce import products


@pytest.fixture(scope="session")
def explored_run(tiny, tmp_path_factory):
    """A complete run, without figures: they take most of the time."""
    out = tmp_path_factory.mktemp("explored") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "figures", lambda *args: [])
        return tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), out=out)


@pytest.fixture(scope="session")
def session(explored_run):
    """Opened as the command opens it: everything from run.json."""
    return open_run(explored_run.out)
