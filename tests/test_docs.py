"""The documentation stays true: its commands exist, its pages are all reachable, and the site builds without a warning."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tsoar
from tsoar.cli import cli
from tsoar.config import load, presets
from tsoar.sim import scenario

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in ("_build", "measured"))
"""what programs wrote is shown inside other pages"""


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.S)


COMMANDS = [
    (page.relative_to(DOCS).as_posix(), line)
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.splitlines()
    if re.match(r"(\.venv/bin/)?tsoar ", line)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_parse(page, line):
    _, name, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
    assert name in cli.commands, f"{page}: there is no command {name}"
    asked = cli.commands[name].make_context(name, arguments).params
    if name == "simulate":
        scenario(target=asked["target"] or "wasp-43", overrides=asked["overrides"], values={"planet.event": asked["event"]})
    elif "overrides" in asked:
        like = asked.get("like") if asked.get("like") in presets() else None
        load(overrides=asked["overrides"], skip=asked.get("skip", ()), like=like)


def test_every_command_has_a_page():
    assert {shlex.split(line)[1] for _, line in COMMANDS} >= set(cli.commands) - {"demo"}  # `make demo`


def test_settings_named_in_the_text_exist():
    from tsoar.config import template

    section, known = "", {"skip", "seed"}
    for line in template(load()).splitlines():
        if heading := re.match(r"\[([\w.]+)\]", line):
            section = heading[1] + "."
        elif setting := re.match(r"(?:# )?(\w+) =", line):
            known.add(section + setting[1])
    sections = {name.split(".")[0] for name in known if "." in name}
    for page in PAGES:
        for name in re.findall(r"`(\w+\.\w+)(?: = [^`]*)?`", page.read_text("utf-8")):
            if name.split(".")[0] in sections and not name.endswith((".nc", ".py")):
                assert name in known, f"{page.name}: {name}"


def test_python_examples_use_what_exists():
    for page in PAGES:
        for block in [b for language in ("python", r"\{code-cell\} python") for b in blocks(page, language)]:
            code = re.sub(r"^(:tags:.*|%.*)$", "", block, flags=re.M)
            compile(code, page.name, "exec")
            for name in re.findall(r"\btsoar\.((?:\w+\.)*\w+)\(", code):
                found = tsoar
                for part in name.split("."):
                    found = getattr(found, part)
                assert callable(found), f"{page.name}: tsoar.{name}"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (dependency group docs)")
    site = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", tmp_path / "trees", DOCS, site]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    for page in PAGES:
        assert (site / page.relative_to(DOCS).with_suffix(".html")).exists()
    tour = (site / "tour.html").read_text("utf-8")
    assert tour.count("<img ") >= 30
    assert "Traceback" not in tour
    outside = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?))"', tour)
    assert not outside, "the pages fetch nothing"
