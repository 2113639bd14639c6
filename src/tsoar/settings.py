"""Settings as a typed tree: TOML in, commented TOML out, every mistake named with its dotted path.

A `Schema` is made from a frozen dataclass whose fields are settings or further sections; limits, units and docs stand
beside each setting (`tsoar.params`). It reads, checks and prints; what the settings mean is not known here.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import DocInfo, Ge, GroupedMetadata, Gt, Le, Lt, Unit

from tsoar.errors import ConfigError

T = TypeVar("T")


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
        """What a value must be, in words: "a number > 0 sigma"."""
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


@dataclass(frozen=True)
class Schema(Generic[T]):
    """All settings below one dataclass."""

    root: type[T]
    help: str
    """the command that prints an example"""

    @cached_property
    def sections(self) -> dict[str, type]:
        """The class of every section, by dotted path."""
        return {path: type(value) for path, value, _ in _walk(self.root()) if dataclasses.is_dataclass(value)}

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Every setting by dotted path, in the order of the tree."""
        every = ((path, value, hint) for path, value, hint in _walk(self.root()) if path not in self.sections)
        return {path: _key(path, hint, value) for path, value, hint in every}

    # -- in -----------------------------------------------------------------------------------------------------------

    def read_toml(self, path: Path) -> dict[str, Any]:
        """A TOML file as a tree; a ConfigError in one line when it cannot be read."""
        try:
            return tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"configuration {path}: cannot be read ({error.strerror})") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"configuration {path}: not TOML ({error}); `{self.help}` prints an example") from error

    def override(self, text: str) -> dict[str, Any]:
        """The tree that KEY=VALUE stands for; values as TOML, or as plain text when that is not TOML."""
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not all(path.split(".")):
            example = next((k for k in self.keys if "." in k), next(iter(self.keys)))
            raise ConfigError(f"--set {text}: expected KEY=VALUE, e.g. {example}={_toml(self.keys[example].default)}")
        try:
            parsed = tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            parsed = {}
        tree: Any = parsed["value"] if parsed.keys() == {"value"} else value.strip()
        for name in reversed(path.split(".")):
            tree = {name: tree}
        return tree

    def flatten(self, tree: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Dotted paths; refuses keys that do not exist, all of them at once."""
        flat: dict[str, Any] = {}
        problems = []

        def visit(node: Mapping[str, Any], prefix: str) -> None:
            for name, value in node.items():
                path = f"{prefix}{name}"
                if path in self.keys:
                    flat[path] = value
                elif path not in self.sections:
                    problems.append(self._unknown(path))
                elif isinstance(value, Mapping):
                    visit(value, path + ".")
                else:
                    example = next(key for key in self.keys if key.startswith(path + "."))
                    problems.append(f"{path} is a section: expected {path}.KEY, e.g. {example}")

        visit(tree, "")
        if problems:
            raise ConfigError(f"{source}: {'; '.join(problems)}")
        return flat

    def _inside(self, section: str) -> list[str]:
        """Sections and settings directly inside a section ("" for the top)."""
        return [path for path in [*self.sections, *self.keys] if path.rpartition(".")[0] == section]

    def _unknown(self, path: str) -> str:
        section, _, name = path.rpartition(".")
        # a misspelt name in this section, the right name in the wrong section, anything that looks like it
        here = {inside.rpartition(".")[2]: inside for inside in self._inside(section)}
        near = [here[match] for match in get_close_matches(name, here, 1)]
        near = near or [key for key in self.keys if key.rpartition(".")[2] == name]
        near = near or get_close_matches(path, self.keys, 1)
        if near:
            return f"{path} does not exist; did you mean {near[0]}?"
        return f"{path} does not exist; there is {', '.join(self._inside(section))}"

    def _check(self, path: str, value: Any) -> tuple[Any, str]:
        """The value as it will be used, and what is wrong with it ("" for nothing)."""
        from pydantic import ValidationError

        key, value = self.keys[path], _tuples(value)
        if key.kind is float and value in ("inf", "-inf"):
            value = float(value)
        try:
            checked = _adapter(key.annotation).validate_python(value, strict=True)
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

    def build(self, flat: Mapping[str, Any]) -> T:
        """The tree with these values by dotted path; a ConfigError names every one that does not fit."""
        values: dict[str, Any] = {}
        problems = []
        for path, value in flat.items():
            checked, problem = self._check(path, value)
            values[path] = checked
            if problem:
                problems.append(problem)
        if problems:
            raise ConfigError("; ".join(problems))

        def section(cls: type, prefix: str) -> Any:
            given = {}
            for f in dataclasses.fields(cls):
                path = prefix + f.name
                if path in self.sections:
                    given[f.name] = section(self.sections[path], path + ".")
                elif path in values:
                    given[f.name] = values[path]
            return cls(**given)

        built: T = section(self.root, "")
        return built

    def from_dict(self, tree: Mapping[str, Any]) -> T:
        """The settings that `to_dict` gave; the same checks as for a file."""
        return self.build(self.flatten(tree, "configuration"))

    # -- out ----------------------------------------------------------------------------------------------------------

    def diff(self, settings: T) -> list[str]:
        """Dotted paths of all settings that are not the default."""
        return [path for path, key in self.keys.items() if get(settings, path) != key.default]

    def template(self, settings: T, title: str) -> str:
        """Settings as commented TOML, ready to be edited."""
        lines = [f"# {title} Keep what you change; what is not given stays at its default."]
        for section in ["", *self.sections]:
            if section:
                lines += ["", *(f"# {line}" for line in _first_paragraph(self.sections[section])), f"[{section}]"]
            for path in self._inside(section):
                if path in self.sections:
                    continue
                key, name, value = self.keys[path], path.rpartition(".")[2], get(settings, path)
                changed = f"; default {_toml(key.default)}" if value != key.default and key.default is not None else ""
                lines.append(f"# {key.text} ({key.expected}{changed})")
                lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
        return "\n".join(lines) + "\n"


def to_dict(settings: Any) -> dict[str, Any]:
    """The whole tree as plain values, the same after a way through JSON: tuples as lists, infinity as "inf"."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, float) and math.isinf(value):
            return str(value)
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    tree: dict[str, Any] = plain(dataclasses.asdict(settings))
    return tree


def digest(settings: Any) -> str:
    """Hash of all settings; the same on every machine and in every run."""
    text = json.dumps(to_dict(settings), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def get(settings: Any, path: str) -> Any:
    """The value at a dotted path."""
    return functools.reduce(getattr, path.split("."), settings)


@functools.cache
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for v in value:
            yield from _numbers(v)
    elif isinstance(value, float):
        yield value


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def _first_paragraph(cls: type) -> list[str]:
    return (cls.__doc__ or "").strip().partition("\n\n")[0].splitlines()
