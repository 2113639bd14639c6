"""The command line: each command parses, calls one library function, and prints.

Heavy imports stay inside the commands: ``tsoar --help`` answers at once.
"""

from tsoar.cli import exploring, exporting, fitting, inspecting, reduction, simulation
from tsoar.cli.group import cli

__all__ = ["cli", "exploring", "exporting", "fitting", "inspecting", "main", "reduction", "simulation"]


def main() -> None:
    """Entry point of the program ``tsoar``."""
    cli()
