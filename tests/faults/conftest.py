"""One nursery and one small exposure for all fault tests."""

import pytest

from tests.faults.nursery import Nursery
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
