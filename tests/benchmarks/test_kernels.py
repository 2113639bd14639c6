"""Every hot kernel says what its NumPy twin says, on the table that the benchmark times."""

import pytest
from benchmarks.kernels import KERNELS, agree, arrays, table


@pytest.fixture(scope="module")
def integration():
    return arrays(5, 64, 512)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_kernel_agrees_with_its_twin(kernel, integration):
    agree(kernel, integration)


def test_every_line_of_the_table_is_timed():
    rows = table(4, 64, 256, repeats=2)["rows"]
    assert [row["name"] for row in rows] == [k.name for k in KERNELS]
    assert all(min(row["kernel_ms"]) > 0 and len(row["twin_ms"]) == 2 for row in rows)
