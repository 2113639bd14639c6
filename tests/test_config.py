"""Settings: defaults, files, overrides, and what is said about mistakes."""

import json
import tomllib

import pytest

from tsoar import config
from tsoar.config import diff, digest, from_dict, keys, load, template, to_dict
from tsoar.errors import ConfigError


def test_defaults_are_those_of_the_steps():
    from tsoar.detector import JumpParams

    assert load().jump == JumpParams()
    assert load().skip == ()


def test_every_setting_is_documented():
    for path, key in keys().items():
        assert key.text, f"{path} has no doc"


def test_the_template_is_the_default():
    tree = tomllib.loads(template())
    assert diff(from_dict(tree)) == []
    assert set(tree) == set(to_dict(load())), "every section is printed"


def test_the_template_of_a_changed_configuration_reads_back_the_same():
    changed = load(overrides=["jump.threshold=10", "jump.neighbours=inf", "one_over_f.level=slope"], skip=["jump"])
    assert from_dict(tomllib.loads(template(changed))) == changed
    assert "default 4.75" in template(changed)


def test_the_template_says_unit_limits_and_choices():
    text = template()
    assert "a difference further off is a hit (a number > 0 sigma)\nthreshold = 4.75" in text
    assert "(one of group, slope)" in text


def test_later_wins(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('skip = ["clean"]\n[jump]\nthreshold = 6\nafter_groups = 1\n')
    found = load(file, overrides=["jump.threshold=7.5"], like="tutorial", skip=["jump"])
    assert found.jump.method == "two_point"  # of the preset
    assert found.jump.after_groups == 1  # of the file
    assert found.jump.threshold == 7.5  # of --set, over file and preset
    assert found.skip == ("clean", "jump")


def test_sections_inside_sections():
    found = load(overrides=["traces.edges.columns=5", "traces.knots=8"])
    assert (found.traces.edges.columns, found.traces.knots) == (5, 8)
    assert diff(found) == ["traces.knots", "traces.edges.columns"]
    assert from_dict(tomllib.loads(template(found))) == found


def test_text_needs_no_quotes_on_the_command_line():
    assert load(overrides=["one_over_f.level=slope"]).one_over_f.level == "slope"
    assert load(overrides=['one_over_f.level="slope"']).one_over_f.level == "slope"


def test_a_value_cannot_bring_further_keys_along():
    with pytest.raises(ConfigError, match=r"jump\.threshold"):
        load(overrides=["jump.threshold=5\nother = 6"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jump.treshold=10", "jump.treshold does not exist; did you mean jump.threshold?"),
        ("jmp.threshold=10", "jmp does not exist; did you mean jump?"),
        ("threshold=10", "did you mean jump.threshold?"),
        ("jump.integrations=10", "did you mean survey.integrations?"),
        ("sed=1", "did you mean seed?"),
        ("qqqq=1", "qqqq does not exist; there is survey,"),
        ("jump=10", "jump is a section: expected jump.KEY"),
        ("jump.threshold", "expected KEY=VALUE"),
        ("jump.=3", "expected KEY=VALUE"),
        ("traces.edges.colums=3", "did you mean traces.edges.columns?"),
        ("traces.edgs.columns=3", "did you mean traces.edges?"),
        ("traces.edges=3", "traces.edges is a section: expected traces.edges.KEY"),
        ("traces.edges.columns=0", "traces.edges.columns = 0: expected a whole number >= 1 columns"),
        ("jump.threshold=-1", "jump.threshold = -1: expected a number > 0 sigma"),
        ("jump.threshold=nan", "jump.threshold = nan: expected a number > 0 sigma"),
        ("jump.threshold=high", 'jump.threshold = "high": expected a number'),
        ("extract.radius=inf", "extract.radius = inf: expected a number > 1 px, finite"),
        ("survey.integrations=3.5", "survey.integrations = 3.5: expected a whole number >= 1"),
        ("survey.integrations=true", "expected a whole number >= 1"),
        ("motion.follow=1", "motion.follow = 1: expected true or false"),
        ("jump.method=twopoint", "expected one of deep, two_point, two_point_file; did you mean two_point?"),
        ("skip=jump", 'skip = "jump": expected a list of text'),
    ],
)
def test_mistakes_are_named(text, said):
    with pytest.raises(ConfigError) as caught:
        load(overrides=[text])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError, match=r"jump\.threshold.*; extract\.radius.*; motion\.follow"):
        load(overrides=["jump.threshold=0", "extract.radius=0", "motion.follow=3"])
    with pytest.raises(ConfigError, match=r"jump\.a .*; jump\.b "):
        from_dict({"jump": {"a": 1, "b": 2}})


def test_infinity_where_it_is_offered_survives_json():
    endless = load(overrides=["jump.neighbours=inf"])
    assert endless.jump.neighbours == float("inf")
    through = json.loads(json.dumps(to_dict(endless), allow_nan=False))
    assert from_dict(through) == endless


def test_digest_tells_settings_apart():
    assert digest(load()) == digest(from_dict(to_dict(load())))
    assert digest(load()) != digest(load(overrides=["jump.threshold=5"]))
    assert len(digest(load())) == 16


def test_diff_names_what_is_not_default():
    assert diff(load(overrides=["jump.threshold=5", "extract.radius=15"])) == ["jump.threshold"]


def test_a_run_can_be_taken_as_start(tmp_path):
    before = load(like="tutorial", overrides=["jump.threshold=9"])
    (tmp_path / "run.json").write_text(json.dumps({"config": to_dict(before)}))
    assert load(like=tmp_path / "run.json") == before
    assert load(like=str(tmp_path)) == before, "the folder of the run will do"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"config": 3}'])
def test_a_foreign_json_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=r"expected the run\.json of an earlier run, or one of: jwst, tutorial"):
        load(like=tmp_path / "run.json")


@pytest.mark.parametrize("content", [b"jump = [", b"\xff\xfe"])
def test_a_broken_file_is_one_line(tmp_path, content):
    (tmp_path / "my.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="not TOML") as caught:
        load(tmp_path / "my.toml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(like="tutorail")


def test_the_tutorial_chain():
    found = load(like="tutorial")
    assert (found.one_over_f.method, found.one_over_f.level) == ("median", "slope")
    assert (found.jump.method, found.jump.threshold) == ("two_point", 10)
    assert found.ramp_fit.method == "ols"
    assert (found.extract.radius, found.motion.follow) == (15, False)


def test_named_configurations_hold_only_settings_that_exist():
    assert "tutorial" in config.presets()
    for name in config.presets():
        load(like=name)


def test_the_steps_that_can_be_skipped_are_told():
    from tsoar.reduce.plan import SKIPPABLE

    assert ", ".join(SKIPPABLE) in keys()["skip"].text
