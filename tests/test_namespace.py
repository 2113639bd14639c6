"""The public names: exactly those of ``__all__``, all loadable, none loaded before it is used."""

import subprocess
import sys

import pytest

import tsoar

LIGHT = """
import sys
import tsoar
heavy = {"numpy", "numba", "scipy", "xarray", "astropy", "matplotlib", "pydantic", "rich", "click"} & set(sys.modules)
assert not heavy, heavy
assert dir(tsoar) == sorted(tsoar.__all__)
"""


def test_names_are_those_of_all():
    assert dir(tsoar) == sorted(tsoar.__all__) == sorted(set(tsoar.__all__))
    assert set(tsoar.__all__) == {"__version__", *tsoar._WHERE}


@pytest.mark.parametrize("name", tsoar.__all__)
def test_every_name_loads(name):
    found = getattr(tsoar, name)
    module, inside = tsoar._WHERE.get(name, ("tsoar", ""))
    if name != "__version__":
        assert found is getattr(sys.modules[module], inside) if inside else found is sys.modules[module]


def test_import_is_light():
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=30)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        tsoar.fits
