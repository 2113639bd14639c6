"""What may be asked of a simulation, and what is said about the rest."""

import tomllib

import pytest

from tsoar.errors import ConfigError, InputError
from tsoar.sim.parameters import SCHEMA, from_dict, scenario, targets, template, to_dict
from tsoar.sim.planet import depths
from tsoar.sim.star import flux_density, read_table


def test_every_setting_is_documented_and_has_its_unit_or_needs_none():
    for path, key in SCHEMA.keys.items():
        assert key.text, f"{path} has no doc"


@pytest.mark.parametrize("name", ["wasp-39", "wasp-43", "wasp-96"])
def test_targets_are_read_and_written_back(name):
    s = scenario(target=name)
    assert name in targets()
    assert s.star.name == name.upper()
    assert from_dict(to_dict(s)) == s
    assert from_dict(tomllib.loads(template(s))) == s


def test_later_wins(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[star]\njmag = 9\n[exposure]\nnints = 33\nngroups = 5\n")
    s = scenario(file, target="wasp-96", overrides=["exposure.ngroups=7"], values={"exposure.nints": 44, "seed": None})
    assert (s.star.jmag, s.star.name, s.exposure.nints, s.exposure.ngroups, s.seed) == (9, "WASP-96", 44, 7, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (dict(target="wasp-34"), "target 'wasp-34' is not known: did you mean wasp-"),
        (dict(values={"exposure.ngroups": -2}), "exposure.ngroups = -2: expected a whole number >= 1"),
        (dict(values={"exposure.nints": 0}), "exposure.nints = 0"),
        (dict(values={"exposure.subarray": "SUBSTRIP265"}), "did you mean SUBSTRIP256"),
        (dict(values={"planet.event": "transits"}), "did you mean transit"),
        (dict(values={"exposure.segments": 9, "exposure.nints": 5}), "at most one per integration"),
        (dict(overrides=["star.jmga=8"]), "star.jmga does not exist; did you mean star.jmag?"),
        (dict(overrides=["star.jmag=nan"]), "expected a number >= -2"),
        (dict(overrides=["planet.inclination=60"]), "no transit at inclination 60"),
        (dict(overrides=["planet.limb_red=[0.9, 0.5]"]), "nowhere negative"),
        (dict(overrides=["planet.bands=[[1.4, 0, 0.1]]"]), "widths > 0"),
        (dict(overrides=["motion.tilt_at=500"]), "below nints"),
        (dict(overrides=["bad_pixels.dead=0.4", "bad_pixels.hot=0.3"]), "at most half"),
        (dict(path="/nowhere/mine.toml"), "cannot be read"),
    ],
)
def test_refused_in_one_line(asked, said):
    with pytest.raises(ConfigError, match=r"\w") as error:
        scenario(**asked)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no numbers\n", "not a table"),
        ("1.0 2.0\n", "from 0.6 to 2.8"),
        ("0.5 1\n3.0 -1\n", "negative"),
        ("0.5 nan\n3.0 1\n", "finite"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, content, said):
    file = tmp_path / "star.txt"
    file.write_text(content)
    with pytest.raises(InputError, match=said):
        read_table(str(file), "star.spectrum", "wasp-43")


def test_a_table_of_ones_own(tmp_path):
    file = tmp_path / "star.txt"
    file.write_text("# mine\n0.4 1.0\n3.5 1.0\n")
    s = scenario(overrides=[f"star.spectrum={file}", f"planet.table={file}", "planet.bands=[]"])
    wave, density = flux_density(s.star)
    assert density[1] / density[0] == pytest.approx((3.5 / 0.4) ** 2)  # flat per wavelength
    with pytest.raises(ConfigError, match="depths from 1 to 1"):
        depths(s.planet, 4520.0, wave)


def test_a_spectrum_that_is_nothing():
    with pytest.raises(ConfigError, match=r"neither one of .* nor a file"):
        flux_density(scenario(overrides=["star.spectrum=wasp-44"]).star)
