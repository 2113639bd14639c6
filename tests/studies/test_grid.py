"""Grids: what is asked is understood, and what cannot be is refused in words."""

import pytest

from tsoar.config import Config, load
from tsoar.errors import ConfigError
from tsoar.studies.grid import REFERENCE, read_grid


def test_a_grid_is_a_cross_product_and_the_reference_comes_first():
    grid = read_grid({"grid": {"extract.radius": [12, 20], "jump": {"threshold": [4, 8]}}})
    assert grid.settings[0].name == REFERENCE
    assert grid.settings[0].config == Config()
    pairs = {(s.config.extract.radius, s.config.jump.threshold) for s in grid.settings[1:]}
    assert pairs == {(12, 4), (12, 8), (20, 4), (20, 8)}


def test_a_setting_asked_for_twice_is_one():
    tree = {
        "part": [
            {"name": "a", "grid": {"extract.radius": [10, 15]}},
            {"name": "b", "setting": [{"name": "ten", "extract": {"radius": 10}}]},
        ]
    }
    grid = read_grid(tree)
    assert len(grid.settings) == 2  # 15 is the default
    a, b = grid.parts
    assert [m.setting for m in a.members] == [1, 0]
    assert [m.value for m in a.members] == [10, 15]
    assert [(m.setting, m.label) for m in b.members] == [(1, "ten")]


def test_steps_left_out_add_to_those_of_the_base():
    tree = {"base": {"skip": ["dark_current"]}, "grid": {"skip": ["", "jump", ["jump", "clean"]]}}
    grid = read_grid(tree)
    assert [s.config.skip for s in grid.settings] == [
        ("dark_current",),
        ("dark_current", "jump"),
        ("dark_current", "jump", "clean"),
    ]
    assert grid.parts[0].members[0].setting == 0


def test_settings_given_besides_lie_over_the_base():
    tree = {"base": {"extract.radius": 11, "jump.threshold": 6}, "grid": {"clean.threshold": [5]}}
    grid = read_grid(tree, load(overrides=["jump.threshold=9"]))
    config = grid.settings[1].config
    assert (config.extract.radius, config.jump.threshold, config.clean.threshold) == (11, 9, 5)


def test_the_digest_follows_settings_and_labels():
    one = {"grid": {"extract.radius": [12]}}
    assert read_grid(one).digest == read_grid(dict(one)).digest
    assert read_grid(one).digest != read_grid({"grid": {"extract.radius": [13]}}).digest


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"grid": {"extract.radus": [12]}}, "extract.radius"),
        ({"gird": {"extract.radius": [12]}}, "did you mean grid"),
        ({"grid": {"extract.radius": 12}}, "expected a list"),
        ({"grid": {"extract.radius": [-3]}}, "> 1"),
        ({"grid": {"extract.radius": ["wide"]}}, "a number"),
        ({"grid": {"extract.radius": [15]}}, "no setting besides the reference"),
        ({"base": {"extract.radius": 12}}, "no setting besides the reference"),
        ({"part": [{"grid": {"extract.radius": [12]}}]}, "expected name"),
        ({"part": [{"name": "a", "grids": {}}]}, "did you mean grid"),
        ({"part": {"name": "a"}}, "[[...]]"),
        ({"grid": {"extract.radius": list(range(2, 32)), "jump.threshold": list(range(2, 32))}}, "900 combinations"),
        (
            {"setting": [{"name": "x", "extract.radius": 9}, {"name": "x", "extract.radius": 8}]},
            "two settings are called 'x'",
        ),
    ],
)
def test_mistakes_are_named(tree, words):
    with pytest.raises(ConfigError) as caught:
        read_grid(tree)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_named_studies_and_files(tmp_path):
    grid = read_grid("tutorial")
    assert [p.name for p in grid.parts] == ["one_over_f", "corrections", "apertures", "steps", "jumps", "chain"]
    assert 40 <= len(grid.settings) <= 50
    assert {p.name: p.key for p in grid.parts}["apertures"] == "extract.radius"
    file = tmp_path / "mine.toml"
    file.write_text('title = "Mine"\n[grid]\n"extract.radius" = [9]\n')
    assert read_grid(file).title == "Mine"
    file.write_text("[grid\n")
    with pytest.raises(ConfigError, match="TOML"):
        read_grid(file)
    with pytest.raises(ConfigError, match="did you mean tutorial"):
        read_grid("tutorail")
