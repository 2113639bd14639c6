"""Files of an exposure: segments that are filled integration by integration, and reference files.

A file is written beside its final name and renamed when it is whole.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tsoar.flags import PIXEL
from tsoar.sim import headers
from tsoar.sim.clock import Times
from tsoar.sim.instrument import SUBARRAYS
from tsoar.sim.maps import Detector
from tsoar.sim.parameters import Scenario
from tsoar.sim.readout import linearity_coefficients

BLOCK = 2880
"""FITS files grow in blocks of this [bytes]"""


class Segment:
    """An uncal file being written; any thread may put any of its integrations."""

    def __init__(self, folder: Path, s: Scenario, times: Times, number: int, first: int, last: int) -> None:
        sub = SUBARRAYS[s.exposure.subarray]
        self.first, self.last = first, last
        self.path = folder / f"{headers.stem(s)}-seg{number:03d}_nis_uncal.fits"
        self.part = self.path.with_name(self.path.name + ".part")
        primary = fits.PrimaryHDU(header=headers.primary(s, times, number, first, last, self.path.name))
        head = primary.header.tostring() + headers.counts(s, times, last - first).tostring()
        self.each = s.exposure.ngroups * sub.rows * 2048 * 2
        size = (last - first) * self.each
        tables = (headers.group_table(s, times, first, last), headers.int_times(times, first, last), headers.asdf_tree())
        tail = b"\0" * (-size % BLOCK) + b"".join(_bytes_of(hdu) for hdu in tables)
        self.start = len(head)
        self.file = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.posix_fallocate(self.file, 0, len(head) + size + len(tail))  # a full disk says so now
            _write_all(self.file, head.encode("ascii"), 0)
            _write_all(self.file, tail, len(head) + size)
        except BaseException:
            self.discard()
            raise

    def put(self, integration: int, counts: NDArray[np.uint16]) -> None:
        """Write one integration, (groups, rows, columns)."""
        signed = (counts ^ np.uint16(0x8000)).astype(">u2")  # BZERO = 32768: the sign bit turned round
        _write_all(self.file, signed.tobytes(), self.start + (integration - self.first) * self.each)

    def close(self) -> None:
        """All integrations are there: the file gets its name."""
        os.close(self.file)
        self.file = -1
        self.part.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        self.part.unlink(missing_ok=True)


class Segments:
    """All segments of an exposure, as a context: whole when it ends well, gone when it does not."""

    def __init__(self, folder: Path, s: Scenario, times: Times) -> None:
        edges = np.linspace(0, s.exposure.nints, s.exposure.segments + 1).round().astype(int)
        self.parts: list[Segment] = []
        try:
            for k, (first, last) in enumerate(pairwise(edges)):
                self.parts.append(Segment(folder, s, times, k + 1, int(first), int(last)))
        except BaseException:
            self._discard()
            raise

    def put(self, integration: int, counts: NDArray[np.uint16]) -> None:
        """Write one integration where it belongs."""
        next(p for p in self.parts if p.first <= integration < p.last).put(integration, counts)

    def __enter__(self) -> Segments:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            for part in self.parts:
                part.close()
        else:
            self._discard()

    def _discard(self) -> None:
        for part in self.parts:
            part.discard()


def _write_all(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


def _bytes_of(hdu: fits.BinTableHDU) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    return buffer.getvalue()[BLOCK:]


def write_references(folder: Path, s: Scenario, detector: Detector) -> list[Path]:
    """The reference files that belong to a detector, as CRDS has them.

    Full frame: mask, saturation, gain, readnoise (outside the subarray typical values). Subarray: superbias, linearity,
    dark.
    """
    d, sub = s.detector, detector.subarray
    flags = np.zeros((2048, 2048), np.uint32)
    edge = PIXEL["REFERENCE_PIXEL"] | PIXEL["NON_SCIENCE"]
    flags[:4] = flags[-4:] = flags[:, :4] = flags[:, -4:] = edge
    none = np.zeros(sub.shape, np.uint32)
    groups = np.arange(1, max(s.exposure.ngroups, 10) + 1, dtype=np.float32)[:, None, None]
    dark = groups * np.float32(sub.frame_time) * detector.dark / detector.gain
    no_correction = np.where(detector.no_lin_corr, PIXEL["NO_LIN_CORR"], 0).astype(np.uint32)
    coefficients = linearity_coefficients(detector.curve)
    coefficients[2:, detector.no_lin_corr] = 0

    def full(values: NDArray[np.generic], fill: NDArray[np.generic] | float) -> NDArray[np.generic]:
        out = np.empty((2048, 2048), values.dtype)
        out[:] = fill
        out[sub.corner - 1 : sub.corner - 1 + sub.rows] = values
        return out

    noise = np.float32(np.sqrt(2)) * detector.known_noise / detector.gain  # CRDS holds the noise between two reads [DN]
    limit = d.bias + d.saturation * d.full_well
    everything: list[tuple[str, str, bool, dict[str, NDArray[np.generic]]]] = [
        ("MASK", "MaskModel", True, {"DQ": full(detector.mask, flags)}),
        (
            "SATURATION",
            "SaturationModel",
            True,
            {"SCI": full(detector.saturation, limit), "DQ": np.zeros((2048, 2048), np.uint32)},
        ),
        ("GAIN", "GainModel", True, {"SCI": full(detector.gain, d.gain)}),
        ("READNOISE", "ReadnoiseModel", True, {"SCI": full(noise, np.sqrt(2) * d.read_noise / d.gain)}),
        ("SUPERBIAS", "SuperBiasModel", False, {"SCI": detector.bias, "ERR": np.zeros(sub.shape, np.float32), "DQ": none}),
        ("LINEARITY", "LinearityModel", False, {"COEFFS": coefficients, "DQ": no_correction}),
        ("DARK", "DarkModel", False, {"SCI": dark.astype(np.float32), "DQ": none}),
    ]
    return [_write_reference(folder, s, detector, *one) for one in everything]


def _write_reference(
    folder: Path, s: Scenario, detector: Detector, kind: str, model: str, full: bool, arrays: dict[str, NDArray[np.generic]]
) -> Path:
    path = folder / f"jwst_niriss_{kind.lower()}_{headers.SERIAL}.fits"
    header = headers.reference(kind, model, detector.subarray, full, path.name)
    if kind == "DARK":
        frame = round(detector.subarray.frame_time, 5)
        timing = {"NGROUPS": len(arrays["SCI"]), "NFRAMES": 1, "GROUPGAP": 0, "TFRAME": frame, "TGROUP": frame}
        header.update({**timing, "AVDRKCUR": s.detector.dark})
    hdus = fits.HDUList([fits.PrimaryHDU(header=header)])
    for name, values in arrays.items():
        hdus.append(fits.ImageHDU(values, name=name))
    if "DQ" in arrays:
        hdus.append(_dq_def(arrays["DQ"]))
    part = path.with_name(path.name + ".part")
    try:
        hdus.writeto(part, overwrite=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _dq_def(dq: NDArray[np.generic]) -> fits.BinTableHDU:
    """What the bits mean; those that occur, DO_NOT_USE always."""
    present = int(np.bitwise_or.reduce(dq, axis=None))
    used = [(name, bit) for name, bit in PIXEL.items() if bit & (present | 1)]
    columns = [
        fits.Column("BIT", "J", array=[bit.bit_length() - 1 for _, bit in used]),
        fits.Column("VALUE", "J", array=np.array([bit for _, bit in used], np.uint32).view(np.int32)),
        fits.Column("NAME", "40A", array=[name for name, _ in used]),
        fits.Column("DESCRIPTION", "80A", array=[name.lower().replace("_", " ") for name, _ in used]),
    ]
    return fits.BinTableHDU.from_columns(columns, name="DQ_DEF")
