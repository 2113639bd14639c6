"""Limb darkening tables and the table of planets."""

import math

import numpy as np
import pytest

from tsoar.errors import ConfigError, InputError
from tsoar.fitting.limbdark import from_table, read_table, to_q, to_u
from tsoar.fitting.params import FitParams
from tsoar.fitting.planets import find_planet, known_planets, settle


def test_q_and_u_are_each_others_inverse():
    q1, q2 = np.meshgrid(np.linspace(0.01, 1, 20), np.linspace(0, 1, 20))
    back = to_q(*to_u(q1, q2))
    np.testing.assert_allclose(back[0], q1, atol=1e-12)
    np.testing.assert_allclose(back[1], q2, atol=1e-12)
    u1, u2 = to_u(q1, q2)  # everything between 0 and 1 is physical: positive, darker towards the limb
    assert (u1 + u2 <= 1 + 1e-12).all()
    assert (u1 >= 0).all()
    assert (u1 + 2 * u2 >= -1e-12).all()


@pytest.mark.parametrize("pair", ["u1,u2", "q1,q2"])
def test_tables_are_read(tmp_path, pair):
    path = tmp_path / "limb.csv"
    values = (0.4, 0.2) if pair == "u1,u2" else tuple(float(v) for v in to_q(0.4, 0.2))
    path.write_text(f"wavelength,{pair}\n2.9,0.25,0.25\n0.5,{values[0]},{values[1]}\n")
    wavelength, u = read_table(path)
    assert wavelength.tolist() == [0.5, 2.9]
    np.testing.assert_allclose(u[0], [0.4, 0.2])
    np.testing.assert_allclose(from_table((wavelength, u), np.array([0.5]), "x")[0], [0.4, 0.2])


@pytest.mark.parametrize(
    ("text", "says"),
    [("wavelength,a\n1,2\n", "has wavelength, a"), ("\x00\x01", "not a table|has"), ("wavelength,u1,u2\n1,nan,0.1\n", "NaN")],
)
def test_bad_tables_are_refused(tmp_path, text, says):
    path = tmp_path / "limb.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_a_table_that_does_not_reach_is_refused():
    table = (np.array([0.9, 1.0, 1.1]), np.full((3, 2), 0.2))
    with pytest.raises(InputError, match=r"covers 0.9 to 1.1 um"):
        from_table(table, np.array([0.7, 1.0]), "limb.csv")


def test_every_planet_has_a_source_and_a_transit():
    from tsoar.fitting.transit import Orbit, duration

    for planet in known_planets().values():
        assert planet.source
        orbit = Orbit(0.0, planet.period, planet.a_over_r, planet.inclination, planet.eccentricity, planet.omega)
        assert 0.01 < duration(orbit, planet.radius_ratio) < 0.2


def test_planets_are_found_by_any_spelling():
    assert find_planet("wasp39b", "").name == "WASP-39 b"
    assert find_planet("", "WASP-43").name == "WASP-43 b"
    assert find_planet("", "HD 1") is None
    with pytest.raises(ConfigError, match="did you mean WASP-18 b"):
        find_planet("WASP-188 b", "")


def test_settings_lie_over_the_table():
    planet = settle(FitParams(period=0.0, a_over_r=5.0), "WASP-43")
    assert (planet.period, planet.a_over_r, planet.inclination) == (0.0, 5.0, 82.106)
    with pytest.raises(ConfigError, match=r"give --planet .*fit.period= --set fit.inclination="):
        settle(FitParams(a_over_r=5.0), "HD 1")
    unknown = settle(FitParams(period=1.0, a_over_r=5.0, inclination=88.0), "HD 1")
    assert math.isnan(unknown.radius_ratio)
    with pytest.raises(ConfigError, match="radius_ratio"):
        settle(FitParams(event="eclipse", period=1.0, a_over_r=5.0, inclination=88.0), "HD 1")
