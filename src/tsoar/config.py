"""All settings of a run as one typed tree.

The parameters themselves, with limits, units and docs, stand beside their steps (`tsoar.params`); reading, checking
and printing is `tsoar.settings`. Later wins: defaults, ``like``, file, ``--set``, ``--skip``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from tsoar.detector import (
    DarkParams,
    FieldJumpParams,
    JumpParams,
    OneOverFParams,
    RampFitParams,
    RefpixParams,
    SaturationParams,
)
from tsoar.errors import ConfigError
from tsoar.fitting.params import FitParams
from tsoar.params import Annotated, Ge, doc
from tsoar.series.baseline import BaselineParams
from tsoar.settings import Schema, digest, get, to_dict
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
    dark_current: DarkParams = field(default_factory=DarkParams)
    one_over_f: OneOverFParams = field(default_factory=OneOverFParams)
    jump: JumpParams = field(default_factory=JumpParams)
    field_jump: FieldJumpParams = field(default_factory=FieldJumpParams)
    ramp_fit: RampFitParams = field(default_factory=RampFitParams)
    background: BackgroundParams = field(default_factory=BackgroundParams)
    traces: TraceParams = field(default_factory=TraceParams)
    motion: MotionParams = field(default_factory=MotionParams)
    extract: ExtractParams = field(default_factory=ExtractParams)
    clean: CleanParams = field(default_factory=CleanParams)
    baseline: BaselineParams = field(default_factory=BaselineParams)
    fit: FitParams = field(default_factory=FitParams)


SCHEMA = Schema(Config, "tsoar config")

__all__ = ["SCHEMA", "Config", "diff", "digest", "from_dict", "get", "keys", "load", "presets", "template", "to_dict"]


def keys() -> dict[str, Any]:
    """Every setting by dotted path, in the order of the tree.

    >>> keys()["jump.threshold"].expected
    'a number > 0 sigma'
    """
    return SCHEMA.keys


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
    like : "tutorial", "jwst", or the run.json of an earlier run whose settings are the start instead of the defaults.
    skip : steps to leave out, besides those of the file.

    Raises
    ------
    ConfigError
        Naming every problem at once: files that cannot be read, keys that do not exist (with the nearest that does),
        values of the wrong type or out of range.
    """
    flat: dict[str, Any] = {}
    if like is not None:
        flat |= SCHEMA.flatten(read_like(like), str(like))
    if path is not None:
        flat |= SCHEMA.flatten(SCHEMA.read_toml(Path(path)), str(path))
    for text in overrides:
        flat |= SCHEMA.flatten(SCHEMA.override(text), f"--set {text}")
    if skip:
        before = flat.get("skip", ())
        flat["skip"] = tuple(dict.fromkeys((*(before if isinstance(before, list | tuple) else (before,)), *skip)))
    return SCHEMA.build(flat)


def from_dict(tree: Mapping[str, Any]) -> Config:
    """The configuration that `to_dict` gave; the same checks as for a file."""
    return SCHEMA.build(SCHEMA.flatten(tree, "configuration"))


def presets() -> dict[str, str]:
    """The named configurations that come with the package, as TOML."""
    files = sorted((resources.files("tsoar") / "presets").iterdir(), key=lambda f: f.name)
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


def diff(config: Config) -> list[str]:
    """Dotted paths of all settings that are not the default."""
    return SCHEMA.diff(config)


def template(config: Config | None = None) -> str:
    """Settings as commented TOML, ready to be edited: the default, or those of ``config``."""
    return SCHEMA.template(config if config is not None else Config(), "Settings of tsoar.")
