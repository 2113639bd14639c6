"""JWST NIRISS/SOSS time series: from raw reads to light curves.

    exposure = tsoar.open("uncal_folder")
    result = tsoar.run(exposure, tsoar.references("refs"), out="out")

Names load on first use: ``import tsoar`` itself takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsoar import detector as detector
    from tsoar import flags as flags
    from tsoar import plots as plots
    from tsoar import series as series
    from tsoar import soss as soss
    from tsoar import spectra as spectra
    from tsoar.blocks import Ramps as Ramps
    from tsoar.blocks import Readout as Readout
    from tsoar.blocks import Reference as Reference
    from tsoar.blocks import Slopes as Slopes
    from tsoar.config import Config as Config
    from tsoar.config import load as load_config
    from tsoar.ecosystem.citing import cite as cite
    from tsoar.ecosystem.exporting import export as export
    from tsoar.errors import TsoarError as TsoarError
    from tsoar.explorer.opening import explore as explore
    from tsoar.io.exposure import from_array as from_array
    from tsoar.io.exposure import open_exposure as open
    from tsoar.io.references import references as references
    from tsoar.proof.budget import budget as budget
    from tsoar.proof.inject import inject as inject
    from tsoar.reduce import inspect as inspect
    from tsoar.reduce.fit import fit as fit
    from tsoar.reduce.run import run as run
    from tsoar.scoring import score as score
    from tsoar.sim import scenario as scenario
    from tsoar.sim import simulate as simulate
    from tsoar.studies.run import study as study

__version__ = "0.1.0"

_WHERE = {
    "Config": ("tsoar.config", "Config"),
    "Ramps": ("tsoar.blocks", "Ramps"),
    "Readout": ("tsoar.blocks", "Readout"),
    "Reference": ("tsoar.blocks", "Reference"),
    "Slopes": ("tsoar.blocks", "Slopes"),
    "TsoarError": ("tsoar.errors", "TsoarError"),
    "budget": ("tsoar.proof.budget", "budget"),
    "cite": ("tsoar.ecosystem.citing", "cite"),
    "detector": ("tsoar.detector", ""),
    "explore": ("tsoar.explorer.opening", "explore"),
    "export": ("tsoar.ecosystem.exporting", "export"),
    "flags": ("tsoar.flags", ""),
    "fit": ("tsoar.reduce.fit", "fit"),
    "from_array": ("tsoar.io.exposure", "from_array"),
    "inject": ("tsoar.proof.inject", "inject"),
    "inspect": ("tsoar.reduce.inspect", ""),
    "load_config": ("tsoar.config", "load"),
    "open": ("tsoar.io.exposure", "open_exposure"),
    "plots": ("tsoar.plots", ""),
    "references": ("tsoar.io.references", "references"),
    "run": ("tsoar.reduce.run", "run"),
    "scenario": ("tsoar.sim", "scenario"),
    "score": ("tsoar.scoring", "score"),
    "series": ("tsoar.series", ""),
    "simulate": ("tsoar.sim", "simulate"),
    "soss": ("tsoar.soss", ""),
    "spectra": ("tsoar.spectra", ""),
    "study": ("tsoar.studies.run", "study"),
}
"""public name -> module, and name inside it ("": the module itself)"""

__all__ = [
    "Config",
    "Ramps",
    "Readout",
    "Reference",
    "Slopes",
    "TsoarError",
    "__version__",
    "budget",
    "cite",
    "detector",
    "explore",
    "export",
    "fit",
    "flags",
    "from_array",
    "inject",
    "inspect",
    "load_config",
    "open",
    "plots",
    "references",
    "run",
    "scenario",
    "score",
    "series",
    "simulate",
    "soss",
    "spectra",
    "study",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tsoar' has no attribute {name!r}")
    module, inside = _WHERE[name]
    found = import_module(module)
    return getattr(found, inside) if inside else found


def __dir__() -> list[str]:
    return sorted(__all__)
