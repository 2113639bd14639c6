"""Slope cubes, slope images, ramps and spectra as FITS in the observatory's schema.

Cubes are laid out whole at first (`<name>.part`), then filled an integration at a time by offset from any thread; the
file takes its final name when it is complete. Nothing in a file depends on the clock.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from tsoar.errors import OutputError
from tsoar.io import names
from tsoar.io.datasets import allocate, atomic, trouble
from tsoar.io.exposure import Exposure

LAYOUT = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE")
STRUCTURE = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "BSCALE", "BZERO", "CHECKSUM", "DATASUM", "XTENSION", "PCOUNT", "GCOUNT")
FITS_BLOCK = 2880


@dataclass
class CubeWriter:
    """A FITS file under way: planes by extension name, one integration at a time."""

    path: Path
    descriptor: int
    offsets: dict[str, int]
    plane_bytes: dict[str, int]
    part: Path = field(init=False)

    def __post_init__(self) -> None:
        self.part = self.path.with_name(f"{self.path.name}.part")

    def put(self, name: str, k: int, plane: NDArray[Any], skip: int = 0) -> None:
        """Plane ``k`` of an extension, or a part of it ``skip`` bytes in; float32, uint32 or uint8 in native order."""
        if plane.dtype == np.uint32:  # stored as signed with BZERO 2^31
            plane = plane ^ np.uint32(0x80000000)
        data = np.ascontiguousarray(plane.astype(plane.dtype.newbyteorder(">"), copy=False)).data.cast("B")
        place = self.offsets[name] + k * self.plane_bytes[name] + skip
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self.descriptor, data[written:], place + written)
        except OSError as error:
            raise trouble(self.path, error) from error

    def close(self) -> None:
        """All planes are written: give the file its name."""
        os.close(self.descriptor)
        self.part.replace(self.path)

    def abort(self) -> None:
        """Leave nothing behind."""
        os.close(self.descriptor)
        self.part.unlink(missing_ok=True)


@dataclass
class SlopeWriter:
    """Slope planes of one segment."""

    cube: CubeWriter

    def write(
        self,
        k: int,
        slope: NDArray[np.float32],
        err: NDArray[np.float32],
        dq: NDArray[np.uint32],
        var_poisson: NDArray[np.float32],
        var_rnoise: NDArray[np.float32],
    ) -> None:
        """Integration ``k`` of the segment; planes (y, x) [DN/s]. From any thread."""
        self.write_rows(k, 0, slope, err, dq, var_poisson, var_rnoise)

    def write_rows(
        self,
        k: int,
        first: int,
        slope: NDArray[np.float32],
        err: NDArray[np.float32],
        dq: NDArray[np.uint32],
        var_poisson: NDArray[np.float32],
        var_rnoise: NDArray[np.float32],
    ) -> None:
        """Rows of integration ``k`` from ``first`` on; (rows, x) [DN/s]. From any thread."""
        for name, rows in zip(LAYOUT, (slope, err, dq, var_poisson, var_rnoise), strict=True):
            self.cube.put(name, k, rows, first * rows.shape[1] * rows.itemsize)

    def close(self) -> None:
        """The segment is complete."""
        self.cube.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        self.cube.abort()


@dataclass
class RampWriter:
    """Ramps of one segment after a step."""

    cube: CubeWriter

    def write(self, k: int, data: NDArray[np.float32], groupdq: NDArray[np.uint8], pixeldq: NDArray[np.uint32]) -> None:
        """Integration ``k``: data, groupdq (g, y, x), pixeldq (y, x) (the same for all)."""
        self.cube.put("SCI", k, data)
        self.cube.put("GROUPDQ", k, groupdq)
        self.cube.put("PIXELDQ", 0, pixeldq)

    def write_rows(
        self, k: int, first: int, data: NDArray[np.float32], groupdq: NDArray[np.uint8], pixeldq: NDArray[np.uint32]
    ) -> None:
        """Rows of integration ``k`` from ``first`` on: data, groupdq (g, rows, x), pixeldq (rows, x). From any thread."""
        nx = data.shape[2]
        for name, cube in (("SCI", data), ("GROUPDQ", groupdq)):
            plane = self.cube.plane_bytes[name] // cube.shape[0]
            for g, rows in enumerate(cube):
                self.cube.put(name, k, rows, g * plane + first * nx * cube.itemsize)
        self.cube.put("PIXELDQ", 0, pixeldq, first * nx * pixeldq.itemsize)

    def close(self) -> None:
        """The segment is complete."""
        self.cube.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        self.cube.abort()


def plain_ascii(text: str) -> str:
    """A text as FITS headers take it; names of files may hold anything.

    >>> plain_ascii("\u00e9.fits")
    '\\xe9.fits'
    """
    return "".join(c if c.isascii() and c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def primary_header(exposure: Exposure, number: int, filename: str, model: str, notes: dict[str, str]) -> fits.Header:
    """The uncal's primary header with status and reference keywords."""
    import tsoar

    header = exposure.segments[number].header.copy(strip=True)
    for key in (*STRUCTURE, "BUNIT"):
        header.remove(key, ignore_missing=True, remove_all=True)
    for key, value in {"FILENAME": filename, "DATAMODL": model, **notes}.items():
        header.set(key, plain_ascii(value), "")  # without the comment, which would not fit beside a long name
    header["TSOARVER"] = (tsoar.__version__, "version of tsoar that made this file")
    return header


def image_header(name: str, bitpix: int, shape: tuple[int, ...], unit: str = "") -> fits.Header:
    """An image extension's header; BITPIX 32 with BZERO for flags."""
    header = fits.Header()
    header["XTENSION"] = "IMAGE"
    header["BITPIX"], header["NAXIS"] = bitpix, len(shape)
    for k, n in enumerate(reversed(shape)):
        header[f"NAXIS{k + 1}"] = n
    header["PCOUNT"], header["GCOUNT"] = 0, 1
    header["EXTNAME"] = name
    if bitpix == 32:
        header["BSCALE"], header["BZERO"] = 1, 2147483648
    if unit:
        header["BUNIT"] = unit
    return header


def int_times(exposure: Exposure, number: int) -> fits.BinTableHDU | None:
    """The INT_TIMES table of a segment, untouched."""
    segment = exposure.segments[number]
    if "INT_TIMES" not in segment.extensions:
        return None
    with fits.open(segment.path, memmap=False) as hdus:
        return hdus["INT_TIMES"].copy()


def hdu_bytes(hdu: Any) -> bytes:
    """An HDU as it stands in a file."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer, output_verify="silentfix")
    return buffer.getvalue()[FITS_BLOCK:]


def asdf_extension() -> bytes:
    """The ASDF extension without which the observatory's data models do not open a file by path; an empty tree."""
    tree = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n{}\n...\n"
    column = fits.Column("ASDF_METADATA", f"{len(tree)}B", array=np.frombuffer(tree, np.uint8)[None])
    return hdu_bytes(fits.BinTableHDU.from_columns([column], name="ASDF"))


def lay_out(
    path: Path, primary: fits.Header, images: Sequence[tuple[str, int, tuple[int, ...], str]], tables: list[bytes]
) -> CubeWriter:
    """Write headers and tables, reserve the images; extensions in the order images then tables.

    Raises
    ------
    OutputError
        When there is no space or no permission.
    """
    part = path.with_name(f"{path.name}.part")
    head = fits.PrimaryHDU(header=primary).header.tostring().encode("ascii")
    pieces: list[tuple[int, bytes]] = [(0, head)]
    place = len(head)
    offsets, plane_bytes = {}, {}
    for name, bitpix, shape, unit in images:
        text = image_header(name, bitpix, shape, unit).tostring().encode("ascii")
        pieces.append((place, text))
        place += len(text)
        size = abs(bitpix) // 8 * int(np.prod(shape))
        offsets[name] = place
        plane_bytes[name] = size // shape[0] if name != "PIXELDQ" else size
        place += -(-size // FITS_BLOCK) * FITS_BLOCK
    for table in tables:
        pieces.append((place, table))
        place += len(table)
    descriptor = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        allocate(descriptor, place)
        for where, data in pieces:
            os.pwrite(descriptor, data, where)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        part.unlink(missing_ok=True)
        raise trouble(path, error) from error
    return CubeWriter(path, descriptor, offsets, plane_bytes)


def segment_path(exposure: Exposure, number: int, folder: Path, product: str = "rateints") -> Path:
    """Where a product of a segment goes; the segment number only where there are segments."""
    stem, segment, _ = names.parse(exposure.segments[number].path)
    return folder / names.product_name(stem, segment, product)


def open_segment(exposure: Exposure, number: int, folder: Path, notes: dict[str, str]) -> SlopeWriter:
    """A slope file for segment ``number``, ready to be filled."""
    path = segment_path(exposure, number, folder)
    n = exposure.segments[number].n
    shape = (n, *exposure.readout.shape)
    units = {"SCI": "DN/s", "ERR": "DN/s", "VAR_POISSON": "DN2/s2", "VAR_RNOISE": "DN2/s2"}
    images = [(name, 32 if name == "DQ" else -32, shape, units.get(name, "")) for name in LAYOUT]
    times = int_times(exposure, number)
    tables = ([hdu_bytes(times)] if times is not None else []) + [asdf_extension()]
    return SlopeWriter(lay_out(path, primary_header(exposure, number, path.name, "CubeModel", notes), images, tables))


def open_ramps(exposure: Exposure, number: int, step: str, folder: Path) -> RampWriter:
    """A file for the ramps of segment ``number`` after a step."""
    path = segment_path(exposure, number, folder, step)
    n, readout = exposure.segments[number].n, exposure.readout
    cube = (n, readout.n_groups, *readout.shape)
    images = [("SCI", -32, cube, "DN"), ("PIXELDQ", 32, readout.shape, ""), ("GROUPDQ", 8, cube, "")]
    times = int_times(exposure, number)
    tables = ([hdu_bytes(times)] if times is not None else []) + [asdf_extension()]
    return RampWriter(lay_out(path, primary_header(exposure, number, path.name, "RampModel", {}), images, tables))


def write_rate(
    path: Path,
    exposure: Exposure,
    notes: dict[str, str],
    *,
    number: int | None = None,
    slope: NDArray[np.float32],
    err: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
) -> None:
    """The averaged slope image (y, x) [DN/s] of segment ``number``, or of the whole exposure."""
    primary = primary_header(exposure, number or 0, path.name, "ImageModel", notes)
    if number is None:
        for key in ("EXSEGNUM", "EXSEGTOT", "INTSTART", "INTEND"):
            primary.remove(key, ignore_missing=True)
    images = [(n, 32 if n == "DQ" else -32, slope.shape, "" if n == "DQ" else "DN/s") for n in LAYOUT]
    writer = lay_out(path, primary, images, [asdf_extension()])
    writer.plane_bytes = {n: slope.size * 4 for n in LAYOUT}
    try:
        for name, plane in zip(LAYOUT, (slope, err, dq, var_poisson, var_rnoise), strict=True):
            writer.put(name, 0, plane)
    except OutputError:
        writer.abort()
        raise
    writer.close()


def write_x1dints(path: Path, exposure: Exposure, spectra: xr.Dataset) -> None:
    """Spectra as `jwst` 3 writes them: one EXTRACT1D table per order, one row per integration."""
    n, nx = spectra.sizes["integration"], spectra.sizes["column"]
    hdus = [fits.PrimaryHDU(header=primary_header(exposure, 0, path.name, "TSOMultiSpecModel", {}))]
    time = spectra["time"].values
    for order in spectra["order"].values:
        part = spectra.sel(order=order)
        wavelength = np.broadcast_to(part["wavelength"].values, (n, nx))
        valid = part["valid"].values.astype(bool)
        table = Table()
        table["INT_NUM"] = np.arange(1, n + 1, dtype=np.int32)
        table["TDB-MID"] = time
        table["WAVELENGTH"] = wavelength
        table["FLUX"] = np.where(valid, part["flux"].values, np.nan).astype(np.float64)
        table["FLUX_ERROR"] = np.where(valid, part["flux_err"].values, np.nan).astype(np.float64)
        table["DQ"] = np.where(valid, 0, 1).astype(np.int32)
        hdu = fits.BinTableHDU(table, name="EXTRACT1D")
        hdu.header["SPORDER"] = int(order)
        for k, unit in ((2, "d"), (3, "um"), (4, "DN/s"), (5, "DN/s")):
            hdu.header[f"TUNIT{k}"] = unit
        hdus.append(hdu)
    with atomic(path) as part_path:
        fits.HDUList(hdus).writeto(part_path, overwrite=True)
