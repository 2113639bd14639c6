"""The command line: each command parses, calls one library function, and prints.

Heavy imports stay inside the commands: ``tsoar --help`` answers at once.
"""

from tsoar.cli import exploring, exporting, fitting, inspecting, proving, reduction, simulation, studies
from tsoar.cli.group import cli

__all__ = ["cli", "exploring", "exporting", "fitting", "inspecting", "main", "proving", "reduction", "simulation", "studies"]


def main() -> None:
    """Entry point of the program ``tsoar``."""
    cli()
