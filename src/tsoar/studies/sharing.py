"""What settings have in common: a plan is a chain, and a common beginning is computed once.

The links, each with the settings that enter it: calibration and survey, slopes, extraction, and what comes after. A section
of the settings that is not named here counts to the first link: nothing is ever shared by oversight.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from tsoar.config import Config, to_dict
from tsoar.reduce.chain import Recipe, vary_recipe
from tsoar.reduce.plan import Plan
from tsoar.studies.grid import digest_of

T = TypeVar("T")

SLOPES = ("jump", "ramp_fit")
"""sections that enter with the slopes; of ``one_over_f`` all but what masks the traces, which the survey needs"""
SURVEYED = ("mask_radius", "clip")
AFTER = ("baseline", "fit", "seed", "clean")


def survey_key(plan: Plan) -> str:
    """Hash of everything that calibration and survey depend on."""
    tree = to_dict(plan.config)
    for name in (*SLOPES, *AFTER, "extract"):
        tree.pop(name)
    tree["one_over_f"] = {k: tree["one_over_f"][k] for k in SURVEYED}
    tree["motion"].pop("follow")
    tree["skip"] = sorted(set(plan.config.skip) - {"one_over_f", "jump", "clean"})
    return digest_of([tree, plan.has_deep])


def slope_key(plan: Plan) -> str:
    """Hash of everything that slopes depend on."""
    tree = to_dict(plan.config)
    kept = {k: tree[k] for k in (*SLOPES, "one_over_f")}
    return digest_of([survey_key(plan), kept, sorted(set(plan.config.skip) - {"clean"}), tree["extract"]["blank_rows"]])


def extract_key(plan: Plan) -> str:
    """Hash of everything that extracted series depend on."""
    tree = to_dict(plan.config)
    return digest_of([slope_key(plan), tree["extract"], tree["motion"]["follow"]])


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of one key together, in the order in which keys first appear.

    >>> grouped([1, 2, 3, 4], lambda v: v % 2)
    [[1, 3], [2, 4]]
    """
    out: dict[Hashable, list[T]] = {}
    for item in items:
        out.setdefault(key(item), []).append(item)
    return list(out.values())


@dataclass(frozen=True, slots=True)
class Leaf:
    """Settings that share everything up to the extracted series."""

    recipe: Recipe
    settings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """Settings that share the slopes."""

    recipe: Recipe
    leaves: tuple[Leaf, ...]


def branches(base: Recipe, plans: dict[int, Plan]) -> list[Branch]:
    """The tree of some settings (index -> plan) that share the survey of ``base``."""
    made = []
    for same_slopes in grouped(plans, lambda k: slope_key(plans[k])):
        leaves = []
        for same_series in grouped(same_slopes, lambda k: extract_key(plans[k])):
            leaves.append(Leaf(vary_recipe(base, **sections(plans[same_series[0]].config)), tuple(same_series)))
        made.append(Branch(leaves[0].recipe, tuple(leaves)))
    return made


def sections(config: Config) -> dict[str, Any]:
    """Arguments of `vary_recipe`."""
    names = ("one_over_f", "jump", "ramp_fit", "motion", "extract")
    return {"skip": frozenset(config.skip)} | {n: getattr(config, n) for n in names}
