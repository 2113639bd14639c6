"""The README stays true: its commands, options, settings, names and make targets exist."""

import re
import shlex
from pathlib import Path

import pytest

import tsoar
from tsoar.cli import cli
from tsoar.config import load
from tsoar.scoring.rows import KEY
from tsoar.sim import scenario

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if re.match(r"(\.venv/bin/)?tsoar ", line)]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line):
    program, name, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
    assert program in ("tsoar", ".venv/bin/tsoar")
    command = cli.commands[name]
    asked = command.make_context(name, arguments).params
    if name == "simulate":
        scenario(target=asked["target"], overrides=asked["overrides"], values={"planet.event": asked["event"]})
    elif "overrides" in asked:
        like = asked["like"] if asked.get("like") == "tutorial" else None
        load(overrides=asked["overrides"], skip=asked.get("skip", ()), like=like)


def test_there_are_commands():
    assert len(COMMANDS) >= 5


def test_options_named_in_the_text_exist():
    known = {option for command in cli.commands.values() for p in command.params for option in p.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README)) <= known


def test_the_score_of_the_demo_is_there():
    rows = re.findall(r"^\| ([a-z ]+: .*?) \| (.*?) \| (.*?) \|$", README, re.M)
    assert [label for label, _, _ in rows] == list(KEY)
    assert all(value != "-" for _, value, _ in rows)


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert set(re.findall(r"^make (\w+)", README, re.M)) <= targets


def test_python_names_exist():
    (code,) = blocks("python")
    compile(code, "README.md", "exec")
    for name in re.findall(r"tsoar\.((?:\w+\.)*\w+)\(", code):
        found = tsoar
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found)


def test_ci_runs_the_tests_the_readme_names():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.findall(r"^make \w+", script, re.M) == ["make test", "make lint", "make slow"]
