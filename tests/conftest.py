"""One small exposure for all tests that need files."""

import pytest

from tests.make import tiny_exposure


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """12 integrations x 4 groups of SUBSTRIP96 in two segments, with references."""
    return tiny_exposure(tmp_path_factory.mktemp("tiny"))
