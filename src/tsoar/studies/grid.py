"""What a study is asked: named parts, each some settings against one reference.

A grid is TOML. All of it is optional but one setting:

    title = "Apertures and thresholds"
    [base]                                # over the defaults, in every setting and in the reference
    fit.period = 0.38

    [grid]                                # every combination; keys are settings, values are lists
    "extract.radius" = [12, 15, 20]
    skip = ["", "jump"]                   # "": nothing left out

    [[setting]]                           # single ones
    name = "as the field does"
    jump.method = "two_point"

Several such parts, each with ``name``, ``title`` and ``question``, stand as ``[[part]]`` with ``[part.grid]`` and
``[[part.setting]]``. A setting that two parts ask for is reduced once.
"""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from tsoar.config import SCHEMA, Config, digest, get
from tsoar.errors import ConfigError

REFERENCE = "reference"
MOST = 500
"""settings of a study: more is a mistake in a grid sooner than a wish"""
TOP = ("title", "base", "grid", "setting", "part")
OF_PART = ("name", "title", "question", "grid", "setting")
LISTS = ("skip", "fit.free", "fit.regress")
"""settings whose value is itself a list"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration to be reduced."""

    name: str
    config: Config


@dataclass(frozen=True, slots=True)
class Member:
    """A setting as a part calls it."""

    setting: int
    """index among `Grid.settings`"""
    label: str
    value: float | None
    """of the one number that is swept; None for everything else"""


@dataclass(frozen=True, slots=True)
class Part:
    """Settings that answer one question."""

    name: str
    title: str
    question: str
    key: str
    """the one setting that is swept; "" for none"""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """All settings of a study, the reference first, each once."""

    title: str
    settings: tuple[Setting, ...]
    parts: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """Hash of the settings and of what parts call them."""
        parts = [(p.name, p.title, p.question, [(m.setting, m.label) for m in p.members]) for p in self.parts]
        return digest_of([self.title, [(s.name, digest(s.config)) for s in self.settings], parts])


def digest_of(value: Any) -> str:
    """Hash of anything JSON holds."""
    import hashlib

    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def named_studies() -> dict[str, str]:
    """The studies that come with the package, as TOML by name."""
    files = (resources.files("tsoar.studies") / "named").iterdir()
    return {f.name.removesuffix(".toml"): f.read_text("utf-8") for f in files if f.name.endswith(".toml")}


def read_grid(source: str | Path | Mapping[str, Any], config: Config | None = None) -> Grid:
    """A grid from a named study ("tutorial"), a TOML file, or the tree such a file holds.

    Parameters
    ----------
    source : name, path or tree.
    config : settings that lie over the grid's ``base`` where they differ from the default.

    Raises
    ------
    ConfigError
        For a file that cannot be read, keys that do not exist (with the nearest that does), values of the wrong type or out
        of range, two settings of one name.
    """
    if isinstance(source, Mapping):
        return make_grid(source, "grid", config)
    named = named_studies()
    if str(source) in named:
        return make_grid(tomllib.loads(named[str(source)]), f"study {source}", config)
    path = Path(source)
    if not path.exists():
        near = get_close_matches(str(source), named, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"study {source}: expected a TOML file or one of {', '.join(named)}{hint}")
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"grid {path}: cannot be read as TOML ({error})") from error
    return make_grid(tree, f"grid {path}", config)


def make_grid(tree: Mapping[str, Any], source: str, config: Config | None = None) -> Grid:
    """The grid a tree describes; see `read_grid`."""
    refuse_unknown(tree, TOP, source)
    base = _flat(tree.get("base", {}), f"{source}: base")
    if config is not None:
        base |= {path: get(config, path) for path in SCHEMA.diff(config)}
    base["skip"] = _skip(base.get("skip", ()))
    settings = [Setting(REFERENCE, SCHEMA.build(base))]
    found = {digest(settings[0].config): 0}
    parts = []
    if "grid" in tree or "setting" in tree:
        one = {k: tree[k] for k in ("grid", "setting") if k in tree}
        parts.append(_part({"name": "grid", "title": "Settings", **one}, source, base, settings, found))
    for k, table in enumerate(_tables(tree.get("part", []), f"{source}: part")):
        where = f"{source}: part {table.get('name', k + 1)}"
        refuse_unknown(table, OF_PART, where)
        parts.append(_part(table, where, base, settings, found))
    if len(settings) < 2:
        raise ConfigError(f"{source}: holds no setting besides the reference; expected [grid], [[setting]] or [[part]]")
    names = [p.name for p in parts]
    if twice := [n for n in names if names.count(n) > 1]:
        raise ConfigError(f"{source}: two parts are called {twice[0]!r}")
    return Grid(str(tree.get("title", "Study")), tuple(settings), tuple(parts))


def refuse_unknown(tree: Mapping[str, Any], known: Sequence[str], source: str) -> None:
    """A ConfigError for keys that are not known, with the nearest that is."""
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{source}: expected a table, got {tree!r}")
    for name in tree:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{source}: {name} does not exist; expected {', '.join(known)}{hint}")


def _tables(value: Any, source: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
        raise ConfigError(f"{source}: expected tables, written [[...]]")
    return value


def _flat(tree: Any, source: str) -> dict[str, Any]:
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{source}: expected a table of settings, got {tree!r}")
    return SCHEMA.flatten(tree, source)


def _skip(value: Any) -> tuple[str, ...]:
    """Steps left out: "" for none, "jump", "jump, clean" or a list."""
    if isinstance(value, str):
        value = [v.strip() for v in value.split(",")]
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise ConfigError(f"skip = {value!r}: expected names of steps")
    return tuple(dict.fromkeys(v for v in value if v))


def _part(tree: Mapping[str, Any], source: str, base: dict[str, Any], settings: list[Setting], found: dict[str, int]) -> Part:
    """One part; settings that are new are added to ``settings`` and ``found``."""
    if not isinstance(tree.get("name"), str) or not tree["name"]:
        raise ConfigError(f'{source}: expected name = "..."')
    asked: list[tuple[str, dict[str, Any]]] = []
    lists = {k: _values(k, v, source) for k, v in _flat(tree.get("grid", {}), f"{source}: grid").items()}
    if lists and math.prod(len(v) for v in lists.values()) > MOST:
        raise ConfigError(f"{source}: grid has {math.prod(len(v) for v in lists.values())} combinations; at most {MOST}")
    for values in itertools.product(*lists.values()) if lists else ():
        chosen = dict(zip(lists, values, strict=True))
        asked.append((name_of(chosen), chosen))
    for one in _tables(tree.get("setting", []), f"{source}: setting"):
        rest = {k: v for k, v in one.items() if k != "name"}
        chosen = _flat(rest, f"{source}: setting {one.get('name', '')}")
        asked.append((str(one.get("name") or name_of(chosen)), chosen))
    if not asked:
        raise ConfigError(f"{source}: holds no setting; expected a grid or [[setting]]")
    members = []
    only_key = next(iter(lists)) if len(lists) == 1 else ""
    taken = {s.name for s in settings}
    for name, chosen in asked:
        skip = tuple(dict.fromkeys((*base["skip"], *_skip(chosen.get("skip", ())))))
        config = SCHEMA.build(base | chosen | {"skip": skip})
        key = digest(config)
        if key not in found:
            if name in taken:
                raise ConfigError(f"{source}: two settings are called {name!r}")
            found[key] = len(settings)
            settings.append(Setting(name, config))
            taken.add(name)
            if len(settings) > MOST:
                raise ConfigError(f"{source}: more than {MOST} settings")
        value = chosen.get(only_key) if set(chosen) == {only_key} else None
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        members.append(Member(found[key], name, number))
    sweeps = only_key if sum(m.value is not None for m in members) > 2 else ""
    title = str(tree.get("title", tree["name"]))
    return Part(tree["name"], title, str(tree.get("question", "")), sweeps, tuple(members))


def _values(key: str, value: Any, source: str) -> list[Any]:
    """The values a grid gives a setting."""
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{source}: grid: {key} = {value!r}: expected a list of values")
    if key in LISTS and key != "skip" and not all(isinstance(v, list) for v in value):
        raise ConfigError(f"{source}: grid: {key}: expected a list of lists, each a value of {key}")
    return value


def name_of(chosen: Mapping[str, Any]) -> str:
    """A name for what a setting changes.

    >>> name_of({"extract.radius": 12, "skip": "jump"})
    'extract.radius=12, without jump'
    """
    words = []
    for key, value in chosen.items():
        if key == "skip":
            steps = _skip(value)
            words.append(f"without {', '.join(steps)}" if steps else "with every step")
        else:
            words.append(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}")
    return ", ".join(words) or REFERENCE
