"""One nursery and one small exposure for all fault tests."""

import pytest

from tests.faults.nursery import Nursery, finished
from tests.make import tiny_exposure


@pytest.fixture(scope="session")
def nursery():
    """A process that runs `tsoar` commands in children."""
    with Nursery() as process:
        yield process


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """9 integrations x 3 groups of SUBSTRIP96 in two segments: the least that has a deep stack."""
    return tiny_exposure(tmp_path_factory.mktemp("small"), n_int=9, n_groups=3, segments=2)


@pytest.fixture(scope="session")
def command(small):
    """Of a run of the small exposure into a folder."""
    return lambda out: ["run", *small.uncal, "--refs", small.refs, "--out", out, "--quiet"]


@pytest.fixture(scope="session")
def done(nursery, command, tmp_path_factory):
    """The folder of a run without figures."""
    out = tmp_path_factory.mktemp("done") / "out"
    ended = nursery.run(*command(out), figures=False)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    return out


@pytest.fixture(scope="session")
def whole(done):
    """Its products by name."""
    return finished(done)
