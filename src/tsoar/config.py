"""All settings of a run as one typed tree: TOML in, commented TOML out, every mistake named with its dotted path.

The parameters themselves, with limits, units and docs, stand beside their steps (`tsoar.params`); this module only
composes, reads, checks and prints them. Later wins: defaults, ``like``, file, ``--set``, ``--skip``.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import DocInfo, Ge, GroupedMetadata, Gt, Le, Lt, Unit

from tsoar.detector import JumpParams, OneOverFParams, RampFitParams, RefpixParams, SaturationParams
from tsoar.errors import ConfigError
from tsoar.params import doc
from tsoar.series.baseline import BaselineParams
from tsoar.soss.background import BackgroundParams
from tsoar.spectra.clean import CleanParams
from tsoar.spectra.deep import SurveyParams
from tsoar.spectra.extract import ExtractParams
from tsoar.spectra.motion import MotionParams
from tsoar.spectra.trace import TraceParams


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a run. Sections are the parameters of the steps; steps without any have no section."""

    skip: Annotated[
        tuple[str, ...],
        doc("steps to leave out: dq_init, saturation, superbias, refpix, linearity, dark_current, one_over_f, jump, clean"),
    ] = ()
    seed: Annotated[int, Ge(0), doc("of everything random")] = 0
    survey: SurveyParams = field(default_factory=SurveyParams)
    saturation: SaturationParams = field(default_factory=SaturationParams)
    refpix: RefpixParams = field(default_factory=RefpixParams)
    one_over_f: OneOverFParams = field(default_factory=OneOverFParams)
    jump: JumpParams = field(default_factory=JumpParams)
    ramp_fit: RampFitParams = field(default_factory=RampFitParams)
    background: BackgroundParams = field(default_factory=BackgroundParams)
    traces: TraceParams = field(default_factory=TraceParams)
    motion: MotionParams = field(default_factory=MotionParams)
    extract: ExtractParams = field(default_factory=ExtractParams)
    clean: CleanParams = field(default_factory=CleanParams)
    baseline: BaselineParams = field(default_factory=BaselineParams)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting as it is declared."""

    path: str
    """dotted, "jump.threshold" """
    kind: Any
    """annotation without its metadata"""
    annotation: Any
    default: Any
    unit: str
    text: str
    limits: tuple[str, ...]

    @property
    def expected(self) -> str:
        """What a value must be, in words.

        >>> keys()["jump.threshold"].expected
        'a number > 0 sigma'
        """
        limits = " and ".join(self.limits)
        unit = f" {self.unit}" if self.unit else ""
        return f"{_words(self.kind)}{' ' if limits else ''}{limits}{unit}"


def _words(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(args[0])
    if origin is Literal:
        return "one of " + ", ".join(str(a) for a in args)
    if origin in (tuple, list):
        several = len(args) == 2 and args[1] is Ellipsis
        return f"a list of {_words(args[0])}" if several else "[" + ", ".join(_words(a) for a in args) + "]"
    if origin in (Union, types.UnionType):
        return " or ".join(_words(a) for a in args if a is not type(None))
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(kind, str(kind))


def _metadata(annotation: Any) -> Iterator[Any]:
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, GroupedMetadata) and not isinstance(item, Unit | DocInfo):
            yield from item
        else:
            yield item


def _key(path: str, annotation: Any, default: Any) -> Key:
    unit, text, limits = "", "", []
    for item in _metadata(annotation):
        match item:
            case Unit(unit=unit):
                pass
            case DocInfo(documentation=text):
                pass
            case Gt(gt=x):
                limits.append(f"> {x:g}")
            case Ge(ge=x):
                limits.append(f">= {x:g}")
            case Lt(lt=x):
                limits.append(f"< {x:g}")
            case Le(le=x):
                limits.append(f"<= {x:g}")
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return Key(path, kind, annotation, default, unit, text, tuple(limits))


def _walk(node: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, value and annotation of every section and setting below a section."""
    hints = get_type_hints(type(node), include_extras=True)
    for f in dataclasses.fields(node):
        path, value = prefix + f.name, getattr(node, f.name)
        yield path, value, hints[f.name]
        if dataclasses.is_dataclass(value):
            yield from _walk(value, path + ".")


@functools.cache
def sections() -> dict[str, type]:
    """The parameter class of every section, by dotted path."""
    return {path: type(value) for path, value, _ in _walk(Config()) if dataclasses.is_dataclass(value)}


@functools.cache
def keys() -> dict[str, Key]:
    """Every setting by dotted path, in the order of the tree."""
    every = ((path, value, hint) for path, value, hint in _walk(Config()) if path not in sections())
    return {path: _key(path, hint, value) for path, value, hint in every}


# -- in ---------------------------------------------------------------------------------------------------------------


def load(
    path: str | Path | None = None,
    *,
    overrides: Iterable[str] = (),
    like: str | Path | None = None,
    skip: Iterable[str] = (),
) -> Config:
    """Settings from a TOML file, with single ones over it.

    Parameters
    ----------
    path : TOML file; only what differs from the default need be there.
    overrides : "jump.threshold=10", ...: values as TOML, or as plain text when that is not TOML.
    like : "tutorial", or the run.json of an earlier run whose settings are the start instead of the defaults.
    skip : steps to leave out, besides those of the file.

    Raises
    ------
    ConfigError
        Naming every problem at once: files that cannot be read, keys that do not exist (with the nearest that does),
        values of the wrong type or out of range.
    """
    flat: dict[str, Any] = {}
    if like is not None:
        flat |= _flatten(read_like(like), str(like))
    if path is not None:
        flat |= _flatten(read_toml(Path(path)), str(path))
    for text in overrides:
        flat |= _flatten(_override(text), f"--set {text}")
    if skip:
        before = flat.get("skip", ())
        flat["skip"] = tuple(dict.fromkeys((*(before if isinstance(before, list | tuple) else (before,)), *skip)))
    return _build(flat)


def from_dict(tree: Mapping[str, Any]) -> Config:
    """The configuration that `to_dict` gave; the same checks as for a file."""
    return _build(_flatten(tree, "configuration"))


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a tree; a ConfigError in one line when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: not TOML ({error}); `tsoar config` prints an example") from error


def presets() -> dict[str, str]:
    """The named configurations that come with the package, as TOML."""
    files = (resources.files("tsoar") / "presets").iterdir()
    return {f.name.removesuffix(".toml"): f.read_text("utf-8") for f in files if f.name.endswith(".toml")}


def read_like(like: str | Path) -> dict[str, Any]:
    """Settings of a named configuration, or of an earlier run's run.json."""
    named = presets()
    return tomllib.loads(named[str(like)]) if str(like) in named else read_run(like)["config"]


def read_run(path: str | Path) -> dict[str, Any]:
    """The run.json of an earlier run (or the folder it is in)."""
    file = Path(path) / "run.json" if Path(path).is_dir() else Path(path)
    choices = f"the run.json of an earlier run, or one of: {', '.join(presets())}"
    try:
        run = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"--like {path}: cannot be read ({error.strerror}); expected {choices}") from error
    except ValueError as error:
        raise ConfigError(f"--like {path}: not JSON ({error}); expected {choices}") from error
    if not isinstance(run, dict) or not isinstance(run.get("config"), dict):
        raise ConfigError(f"--like {path}: holds no 'config'; expected {choices}")
    return run


def _override(text: str) -> dict[str, Any]:
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise ConfigError(f"--set {text}: expected KEY=VALUE, e.g. jump.threshold=10")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    tree: Any = parsed["value"] if parsed.keys() == {"value"} else value.strip()
    for name in reversed(path.split(".")):
        tree = {name: tree}
    return tree


def _flatten(tree: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Dotted paths; refuses keys that do not exist, all of them at once."""
    flat: dict[str, Any] = {}
    problems = []

    def visit(node: Mapping[str, Any], prefix: str) -> None:
        for name, value in node.items():
            path = f"{prefix}{name}"
            if path in keys():
                flat[path] = value
            elif path not in sections():
                problems.append(_unknown(path))
            elif isinstance(value, Mapping):
                visit(value, path + ".")
            else:
                example = next(key for key in keys() if key.startswith(path + "."))
                problems.append(f"{path} is a section: expected {path}.KEY, e.g. {example}")

    visit(tree, "")
    if problems:
        raise ConfigError(f"{source}: {'; '.join(problems)}")
    return flat


def _inside(section: str) -> list[str]:
    """Sections and settings directly inside a section ("" for the top)."""
    return [path for path in [*sections(), *keys()] if path.rpartition(".")[0] == section]


def _unknown(path: str) -> str:
    section, _, name = path.rpartition(".")
    # a misspelt name in this section, the right name in the wrong section, anything that looks like it
    here = {inside.rpartition(".")[2]: inside for inside in _inside(section)}
    near = [here[match] for match in get_close_matches(name, here, 1)]
    near = near or [key for key in keys() if key.rpartition(".")[2] == name]
    near = near or get_close_matches(path, keys(), 1)
    if near:
        return f"{path} does not exist; did you mean {near[0]}?"
    return f"{path} does not exist; there is {', '.join(_inside(section))}"


@functools.cache
def _adapter(path: str) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(keys()[path].annotation)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for v in value:
            yield from _numbers(v)
    elif isinstance(value, float):
        yield value


def _check(path: str, value: Any) -> tuple[Any, str]:
    """The value as it will be used, and what is wrong with it ("" for nothing)."""
    from pydantic import ValidationError

    key, value = keys()[path], _tuples(value)
    if key.kind is float and value in ("inf", "-inf"):
        value = float(value)
    try:
        checked = _adapter(path).validate_python(value, strict=True)
    except ValidationError:
        near: list[str] = []
        if get_origin(key.kind) is Literal and isinstance(value, str):
            near = get_close_matches(value, [str(a) for a in get_args(key.kind)], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return value, f"{path} = {_toml(value)}: expected {key.expected}{hint}"
    # infinity only where the documentation offers it: elsewhere it ends as an empty mask or an endless box
    infinite = bool(re.search(r"\binf\b", key.text))
    if any(math.isnan(x) or (math.isinf(x) and not infinite) for x in _numbers(checked)):
        return value, f"{path} = {_toml(value)}: expected {key.expected}, finite"
    return checked, ""


def _build(flat: Mapping[str, Any]) -> Config:
    values: dict[str, Any] = {}
    problems = []
    for path, value in flat.items():
        checked, problem = _check(path, value)
        values[path] = checked
        if problem:
            problems.append(problem)
    if problems:
        raise ConfigError("; ".join(problems))

    def section(cls: type, prefix: str) -> Any:
        given = {}
        for f in dataclasses.fields(cls):
            path = prefix + f.name
            if path in sections():
                given[f.name] = section(sections()[path], path + ".")
            elif path in values:
                given[f.name] = values[path]
        return cls(**given)

    config: Config = section(Config, "")
    return config


# -- out --------------------------------------------------------------------------------------------------------------


def to_dict(config: Config) -> dict[str, Any]:
    """The whole tree as plain values, the same after a way through JSON: tuples as lists, infinity as "inf"."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, float) and math.isinf(value):
            return str(value)
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    tree: dict[str, Any] = plain(dataclasses.asdict(config))
    return tree


def digest(config: Config) -> str:
    """Hash of all settings; the same on every machine and in every run."""
    text = json.dumps(to_dict(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def get(config: Config, path: str) -> Any:
    """The value at a dotted path."""
    return functools.reduce(getattr, path.split("."), config)


def diff(config: Config) -> list[str]:
    """Dotted paths of all settings that are not the default."""
    return [path for path, key in keys().items() if get(config, path) != key.default]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def template(config: Config | None = None) -> str:
    """Settings as commented TOML, ready to be edited: the default, or those of ``config``."""
    config = config if config is not None else Config()
    lines = ["# Settings of tsoar. Keep what you change; what is not given stays at its default."]
    for section in ["", *sections()]:
        if section:
            lines += ["", *(f"# {line}" for line in _first_paragraph(sections()[section])), f"[{section}]"]
        for path in _inside(section):
            if path in sections():
                continue
            key, name, value = keys()[path], path.rpartition(".")[2], get(config, path)
            changed = f"; default {_toml(key.default)}" if value != key.default else ""
            lines.append(f"# {key.text} ({key.expected}{changed})")
            lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _first_paragraph(cls: type) -> list[str]:
    return (cls.__doc__ or "").strip().partition("\n\n")[0].splitlines()
