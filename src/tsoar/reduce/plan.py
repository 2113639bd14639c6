"""What a run is going to do, decided before any data flow: steps, methods, references, products.

`make_plan` also refuses what cannot work (one group, a step that is not there) and says what takes over where something
is missing (too few integrations for a deep stack, two groups, a start from slopes).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tsoar.config import Config, to_dict
from tsoar.errors import ConfigError, InputError
from tsoar.io.exposure import Exposure
from tsoar.io.references import References

CALIBRATION = ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current")
DETECTOR = (*CALIBRATION, "one_over_f", "jump", "ramp_fit")
SPECTRA = ("motion", "extract", "clean")
STEPS = (*DETECTOR, *SPECTRA)
SKIPPABLE = (*CALIBRATION, "one_over_f", "jump", "clean")
SAVABLE = (*CALIBRATION, "one_over_f", "jump", "x1dints")

REFERENCE_OF = {
    "dq_init": ("mask",),
    "saturation": ("saturation",),
    "superbias": ("superbias",),
    "linearity": ("linearity",),
    "dark_current": ("dark",),
    "jump": ("gain", "readnoise"),
    "ramp_fit": ("gain", "readnoise"),
}
READS_WRITES = {
    "dq_init": ("mask", "pixeldq, groupdq"),
    "saturation": ("counts, limits", "groupdq"),
    "superbias": ("counts", "groups"),
    "refpix": ("reference pixels", "groups"),
    "linearity": ("groups", "groups"),
    "dark_current": ("groups", "groups"),
    "survey": ("a sample of integrations", "deep stack: star, sky, traces, odd pixels"),
    "one_over_f": ("group differences, deep stack", "groups"),
    "jump": ("group differences, deep stack", "groupdq"),
    "ramp_fit": ("groups, groupdq", "slopes, variances, dq"),
    "motion": ("slopes, deep stack", "brightness, motion, width"),
    "extract": ("slopes, traces, sky", "spectra"),
    "clean": ("spectra", "spectra"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered steps of a run and what follows from exposure and settings."""

    config: Config
    """as it will be used: methods that cannot work here are replaced by those that take over"""
    kind: str
    steps: tuple[str, ...]
    references: dict[str, str]
    """type -> file name"""
    has_deep: bool
    notes: tuple[str, ...]
    """what is lost or replaced, in words"""
    digest: str
    """hash of settings, inputs and references: what a resumed run must match"""

    @property
    def by_file(self) -> bool:
        """Jumps and slopes over all integrations of a file, as the field's pipeline does (`tsoar.reduce.field`)."""
        return self.kind == "uncal" and by_file(self.config) and bool({"jump", "ramp_fit"} & set(self.steps))

    def rows(self) -> list[dict[str, Any]]:
        """One row a step, in order: step, parameters, references, reads, writes."""
        rows = []
        names = list(self.steps)
        if "extract" in names or "ramp_fit" in names:
            names.insert(names.index("dark_current") + 1 if "dark_current" in names else 0, "survey")
        for name in names:
            params = getattr(self.config, name, None)
            text = ", ".join(f"{k}={v}" for k, v in dataclasses.asdict(params).items()) if params is not None else ""
            kinds = REFERENCE_OF.get(name, ())
            reads, writes = READS_WRITES[name]
            rows.append(
                {
                    "step": name,
                    "parameters": text,
                    "references": ", ".join(self.references.get(k, k) for k in kinds),
                    "reads": reads,
                    "writes": writes,
                }
            )
        return rows


def known_step(name: str, among: tuple[str, ...], what: str) -> str:
    """``name`` if it is one of ``among``; else a ConfigError that suggests the nearest."""
    if name in among:
        return name
    near = get_close_matches(name, among, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{what} {name!r}: expected one of {', '.join(among)}{hint}")


def by_file(config: Config) -> bool:
    """Whether jumps and slopes are judged a file at a time; a ConfigError if only one of them is."""
    jump, fit = config.jump.method == "two_point_file", config.ramp_fit.method == "ols_file"
    if jump != fit and "jump" not in config.skip:
        raise ConfigError(
            f"jump.method {config.jump.method!r} with ramp_fit.method {config.ramp_fit.method!r}: expected 'two_point_file' "
            "together with 'ols_file', which take a file at a time; --like jwst sets both"
        )
    return fit


def make_plan(
    exposure: Exposure,
    references: References | None,
    config: Config,
    *,
    only_through: str | None = None,
    save: tuple[str, ...] = (),
) -> Plan:
    """Decide what will be done.

    Raises
    ------
    ConfigError
        For a step that does not exist or cannot be left out.
    InputError
        For an exposure that cannot give slopes (1 group), a start for which a step is asked that lies before it.
    ReferenceFileError
        For a reference that is needed and missing, or does not fit.
    """
    for name in config.skip:
        known_step(name, SKIPPABLE, "skip")
    for name in save:
        known_step(name, SAVABLE, "save")
    raw = exposure.kind == "uncal" or (exposure.n_groups > 0 and exposure.kind == "ramp")
    steps = tuple(s for s in (STEPS if raw else SPECTRA) if s not in config.skip)
    if only_through is not None:
        known_step(only_through, tuple(s for s in STEPS if raw or s in SPECTRA), "only-through")
        if only_through not in steps:
            raise ConfigError(f"only-through {only_through!r}: this step is left out (--skip)")
        steps = steps[: steps.index(only_through) + 1]
    notes: list[str] = []
    names: dict[str, str] = {}
    has_deep = exposure.n_integrations >= config.survey.minimum
    one_over_f, jump, files = config.one_over_f, config.jump, by_file(config)
    if raw:
        if exposure.n_groups < 2 and (only_through is None or "ramp_fit" in steps):
            raise InputError(
                f"{exposure.stem}: {exposure.n_groups} group per integration, a slope needs at least 2; "
                "the steps before the ramp fit can be run with --only-through dark_current"
            )
        if references is None:
            raise ConfigError("counts need reference files: give a folder (--refs DIR) or --refs crds")
        references.check(exposure.readout)
        needed = {k for s in steps for k in REFERENCE_OF.get(s, ())}
        if "ramp_fit" in steps:
            needed |= {"gain", "readnoise", "mask"}
        for kind in sorted(needed):
            names[kind] = references.cut(kind, exposure.readout).name
        if files:
            if one_over_f.level != "slope" and "one_over_f" in steps:
                notes.append(
                    "jumps and slopes a file at a time, as the field's pipeline: 1/f can only be corrected on slope images"
                )
                one_over_f = dataclasses.replace(one_over_f, level="slope")
            if not has_deep and one_over_f.method == "deep":
                one_over_f = dataclasses.replace(one_over_f, method="masked")
            if "jump" in steps and exposure.n_groups < 3:
                notes.append("2 groups: the field's jump step is left out")
        elif not has_deep:
            notes.append(
                f"{exposure.n_integrations} integrations are too few for a deep stack (at least {config.survey.minimum}): "
                "1/f, jumps and slopes are judged within each integration, as the field does"
            )
            if one_over_f.method == "deep":
                one_over_f = dataclasses.replace(one_over_f, method="masked")
            if jump.method == "deep":
                jump = dataclasses.replace(jump, method="two_point")
        if exposure.n_groups == 2:
            notes.append("2 groups: a single difference; slopes have no protection up the ramp, noisy pixels cannot be found")
        if jump.method == "two_point" and exposure.n_groups < 4 and "jump" in steps:
            notes.append(f"{exposure.n_groups} groups: the two-point test needs 3 differences, no jumps can be flagged")
        if config.ramp_fit.method != "gls" and exposure.readout.nframes != 1:
            raise InputError(f"{exposure.stem}: NFRAMES = {exposure.readout.nframes}, only 1 (NISRAPID) is supported")
    else:
        one_over_f = dataclasses.replace(one_over_f, level="slope")
        notes.append(
            "start from slopes: groups are gone, so 1/f can only be corrected on slope images (white light scatters 1.5 to 2 "
            "times the limit) and jumps no longer"
        )
        if not has_deep and one_over_f.method == "deep":
            one_over_f = dataclasses.replace(one_over_f, method="masked")
            notes.append("too few integrations for a deep stack: 1/f by masked column medians")
    if exposure.n_integrations == 1:
        notes.append("1 integration: no time series; light curves, sensitivity and white light are not formed")
    config = dataclasses.replace(config, one_over_f=one_over_f, jump=jump)
    basis = {
        "config": to_dict(config),
        "inputs": [(s.path.name, s.size) for s in exposure.segments],
        "references": names,
        "steps": steps,
    }
    digest = hashlib.sha256(json.dumps(basis, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Plan(config, exposure.kind, steps, names, has_deep, tuple(notes), digest)
