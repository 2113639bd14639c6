"""How a step declares its parameters: default, limits, unit and one line of doc in one place.

    @dataclass(frozen=True, slots=True)
    class JumpParams:
        threshold: Annotated[float, Gt(0), Unit("sigma"), doc("a difference further off is a hit")] = 5.0

The command line's help, the commented TOML and the report are all made from this (`tsoar.config`).
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, Le, Lt, Unit
from annotated_types import doc as doc

__all__ = ["Annotated", "Ge", "Gt", "Interval", "Le", "Literal", "Lt", "Unit", "doc"]
