"""The exposures that everybody reduces: made by `tsoar.simulate`, kept in a folder for the next time."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

SEED = 7
PER_FILE = 100
"""integrations in a segment of a long exposure"""


@dataclass(frozen=True)
class Made:
    """Where an exposure is."""

    folder: Path
    n: int

    @property
    def uncal(self) -> list[str]:
        """Its segments."""
        return [str(p) for p in sorted(self.folder.glob("*_uncal.fits"))]

    @property
    def refs(self) -> str:
        """Folder of its reference files."""
        return str(self.folder / "refs")

    @property
    def truth(self) -> str:
        """What was put in."""
        return str(self.folder / "truth.nc")

    def warm(self) -> Made:
        """The files in the system's cache, as far as they fit."""
        for name in self.uncal:
            with Path(name).open("rb") as f:
                while f.read(1 << 24):
                    pass
        return self


def simulated(data: Path, n: int, groups: int = 6, subarray: str = "SUBSTRIP256") -> Made:
    """A transit of WASP-43 b, one file for every `PER_FILE` integrations; made when it is not in ``data`` yet."""
    from tsoar import scenario, simulate

    made = Made(data / f"{subarray.lower()}-{n}x{groups}", n)
    if not Path(made.truth).exists():
        part = made.folder.with_name(made.folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        values = {
            "exposure.nints": n,
            "exposure.ngroups": groups,
            "exposure.segments": -(-n // PER_FILE),
            "exposure.subarray": subarray,
            "seed": SEED,
        }
        simulate(scenario(target="wasp-43", values=values), part)
        part.replace(made.folder)
    return made.warm()


def repeated(data: Path, source: Made, times: int) -> Made:
    """One file again and again, numbered and dated on as the segments of one long exposure.

    What takes time and memory is the same as in an exposure that long; the light curve is not (a transit in every
    file), so this is for speed and memory only.
    """
    made = Made(data / f"repeated-{source.folder.name}-x{times}", source.n * times)
    if not made.folder.exists():
        part = made.folder.with_name(made.folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        os.symlink(Path(source.refs).resolve(), part / "refs")
        (original,) = source.uncal
        for k in range(times):
            path = part / Path(original).name.replace("-seg001", f"-seg{k + 1:03d}")
            shutil.copyfile(original, path)
            number_on(path, k, times, source.n)
        part.replace(made.folder)
    return made.warm()


def number_on(path: Path, k: int, times: int, n: int) -> None:
    """Headers and time stamps of copy ``k``, in place; the counts are not touched."""
    with fits.open(path, mode="update", memmap=True, do_not_scale_image_data=True) as hdus:
        header = hdus[0].header
        header["EXSEGNUM"], header["EXSEGTOT"] = k + 1, times
        header["INTSTART"], header["INTEND"], header["NINTS"] = k * n + 1, (k + 1) * n, n * times
        table = hdus["INT_TIMES"].data
        table["integration_number"] += k * n
        for name in table.names[1:]:
            step = np.median(np.diff(table[name]))
            table[name] += k * n * step
