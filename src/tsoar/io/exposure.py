"""One or many segments as one exposure: ordered, checked, read lazily (rows A1, A2, A3).

Opening reads headers and time stamps only. Pixels are read by offset into the caller's buffer, an integration at a time:
memory stays flat, and threads may read at once.
"""

from __future__ import annotations

import glob
import itertools
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F64, Ramps, Readout, Slopes
from tsoar.errors import ExposureError, InputError
from tsoar.io import names
from tsoar.io.headers import compressed, need_regular_file, readable, reading
from tsoar.io.planes import fill, places, read_plane
from tsoar.soss.subarrays import SUBARRAYS
from tsoar.units import MJD_OFFSET, SECONDS_PER_DAY

log = logging.getLogger(__name__)

KINDS = {4: "uncal", 3: "rateints", 2: "rate"}
USED = (
    *("TELESCOP", "INSTRUME", "DETECTOR", "EXP_TYPE", "PUPIL", "FILTER", "SUBARRAY", "SUBSTRT1", "SUBSTRT2", "READPATT"),
    *("TFRAME", "TGROUP", "NGROUPS", "NFRAMES", "GROUPGAP", "PWCPOS", "TARGNAME", "EXPSTART"),
    *("EXSEGNUM", "EXSEGTOT", "INTSTART", "INTEND"),
)
"""keywords that matter here"""
MOST_SEGMENTS = 999
"""file names have three digits for the segment"""
LONGEST_GAP = 10.0
"""integrations of one exposure do not lie further apart than this [d]"""
TIMES = (40_000.0, 100_000.0)
"""MJD that can be: 1968 to 2132 [d]"""
WHEEL = (243.76, 247.76)
"""pupil-wheel angles that can be GR700XD: its nominal 245.76 and ten times the play of the wheel [deg]"""
SHARED = ("SUBARRAY", "FILTER", "READPATT", "TARGNAME")
"""keywords that all segments must agree in (and NGROUPS, PWCPOS, the exposure's name)"""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of an exposure."""

    path: Path
    first: int
    """number of its first integration, counted from 0 over all segments opened"""
    n: int
    size: int
    """bytes"""
    offset: int
    """where the SCI data start; -1 where they have to be read through astropy"""
    number: int
    """EXSEGNUM"""
    extensions: tuple[str, ...]
    header: fits.Header = field(repr=False, compare=False)


@dataclass
class Exposure:
    """Segments as one exposure; see `open_exposure`."""

    kind: str
    """uncal, rateints, rate"""
    segments: tuple[Segment, ...]
    readout: Readout
    time: F64
    """(i,) mid-integration, BJD_TDB - 2400000.5 [d]"""
    time_source: str
    stem: str
    header: fits.Header = field(repr=False)
    repairs: tuple[str, ...] = ()
    arrays: Slopes | None = field(default=None, repr=False)
    """a start from arrays instead of files"""
    _open: dict[Path, int] = field(default_factory=dict, repr=False)
    _planes: dict[Path, dict[str, int]] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def n_integrations(self) -> int:
        """Integrations over all segments."""
        return int(self.time.size)

    @property
    def n_groups(self) -> int:
        """Groups per integration; 0 for a start from slopes."""
        return self.readout.n_groups if self.kind == "uncal" else 0

    def need(self, kind: str) -> None:
        """An ExposureError with a hint unless the exposure is of this kind."""
        if self.kind != kind:
            raise ExposureError(
                f"{self.segments[0].path.name if self.segments else self.stem}: holds slopes ({self.kind}), expected raw "
                f"counts ({kind}); the steps before the ramp fit are done in it"
            )

    def _segment(self, i: int) -> tuple[Segment, int]:
        for s in self.segments:
            if s.first <= i < s.first + s.n:
                return s, i - s.first
        raise InputError(f"integration {i}: the exposure has {self.n_integrations} (0 to {self.n_integrations - 1})")

    def _descriptor(self, path: Path) -> int:
        with self._lock:
            if path not in self._open:
                try:
                    self._open[path] = os.open(path, os.O_RDONLY)
                except OSError as error:
                    raise ExposureError(f"{path.name}: cannot be opened ({error.strerror})") from error
            return self._open[path]

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for fd in self._open.values():
                os.close(fd)
            self._open.clear()

    def __enter__(self) -> Exposure:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._open:
            self.close()

    def read_raw(self, i: int, out: NDArray[np.uint16]) -> None:
        """The bytes of integration ``i`` into ``out`` (g, y, x): big-endian int16 (BZERO 32768) seen as native uint16.

        The kernels swap and shift them; see `tsoar.reduce.calibrate`.
        """
        self.need("uncal")
        segment, k = self._segment(i)
        fill(self._descriptor(segment.path), segment.offset + k * out.nbytes, out, segment.path.name, k)

    def read_rows(self, i: int, first: int, out: NDArray[np.uint16]) -> None:
        """Rows of integration ``i`` from ``first`` on into ``out`` (g, rows, x), as `read_raw` reads all of them."""
        self.need("uncal")
        segment, k = self._segment(i)
        row = self.readout.shape[1] * out.itemsize
        plane = self.readout.shape[0] * row
        fd = self._descriptor(segment.path)
        for g in range(out.shape[0]):
            place = segment.offset + (k * out.shape[0] + g) * plane + first * row
            if os.preadv(fd, [out[g].data.cast("B")], place) != out[g].nbytes:
                raise ExposureError(
                    f"{segment.path.name}: ends inside integration {k + 1}; the file is truncated, fetch it again"
                )

    def counts(self, integrations: slice | int = slice(None)) -> NDArray[np.uint16]:
        """Raw counts (i, g, y, x) uint16 [DN]."""
        self.need("uncal")
        which = _chosen(integrations, self.n_integrations)
        out = np.empty((len(which), self.readout.n_groups, *self.readout.shape), np.uint16)
        for j, i in enumerate(which):
            self.read_raw(i, out[j])
        if np.little_endian:
            out.byteswap(inplace=True)
        out ^= np.uint16(0x8000)
        return out

    def ramps(self, integrations: slice | int = slice(None)) -> Ramps:
        """Raw counts of some integrations as `Ramps`: data float32 (i, g, y, x) [DN], no flags set."""
        which = _chosen(integrations, self.n_integrations)
        data = self.counts(integrations).astype(np.float32)
        nothing = np.zeros(self.readout.shape, np.uint32)
        return Ramps(data, np.zeros(data.shape, np.uint8), nothing, self.readout, which[0] if which else 0)

    def slopes(self, integrations: slice | int = slice(None)) -> Slopes:
        """Slopes of some integrations of a start from rateints, a rate image or arrays (i, y, x) [DN/s].

        What the file does not have is made up for: DQ 0, variances from the error (all read noise), else 1.
        """
        if self.kind == "uncal":
            raise ExposureError(f"{self.stem}: holds raw counts, slopes come from tsoar.run or ramp_fit")
        which = _chosen(integrations, self.n_integrations)
        shape = (len(which), *self.readout.shape)
        planes = {name: np.zeros(shape, np.float32) for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE")}
        dq = np.zeros(shape, np.uint32)
        for j, i in enumerate(which):
            if self.arrays is not None:
                a = self.arrays
                planes["SCI"][j], planes["ERR"][j] = a.slope[i], a.err[i]
                planes["VAR_POISSON"][j], planes["VAR_RNOISE"][j], dq[j] = a.var_poisson[i], a.var_rnoise[i], a.dq[i]
                continue
            segment, k = self._segment(i)
            with reading(segment.path.name, ExposureError), fits.open(segment.path, memmap=False) as hdus:
                found = [n for n in planes if n in hdus]
                for name in found:
                    planes[name][j] = _plane(hdus[name], k)
                if "SCI" not in found:
                    planes["SCI"][j] = _plane(_image(hdus, segment.path), k)
                if "DQ" in hdus:
                    dq[j] = _plane(hdus["DQ"], k).astype(np.uint32)
        if not planes["VAR_POISSON"].any() and not planes["VAR_RNOISE"].any():
            planes["VAR_RNOISE"][:] = np.where(planes["ERR"] > 0, planes["ERR"] ** 2, 1)
        dq |= np.where(np.isfinite(planes["SCI"]), 0, flags.DO_NOT_USE).astype(np.uint32)
        return Slopes(
            planes["SCI"],
            planes["ERR"],
            planes["VAR_POISSON"],
            planes["VAR_RNOISE"],
            dq,
            self.readout,
            which[0] if which else 0,
        )

    def read_slopes(
        self, i: int, slope: NDArray[Any], err: NDArray[Any], var_p: NDArray[Any], var_r: NDArray[Any], dq: NDArray[Any]
    ) -> None:
        """Integration ``i`` of a start from slopes into planes (y, x): as `slopes`, straight from the file if that can be."""
        segment, k = self._segment(i)
        starts = {} if self.arrays is not None else self._starts(segment)
        if not starts:
            s = self.slopes(slice(i, i + 1))
            slope[:], err[:], var_p[:], var_r[:], dq[:] = s.slope[0], s.err[0], s.var_poisson[0], s.var_rnoise[0], s.dq[0]
            return
        fd = self._descriptor(segment.path)
        for name, out in (("SCI", slope), ("ERR", err), ("VAR_POISSON", var_p), ("VAR_RNOISE", var_r), ("DQ", dq)):
            read_plane(fd, starts[name], out, segment.path.name, k)
        if not var_p.any() and not var_r.any():
            var_r[:] = np.where(err > 0, err**2, 1)
        dq |= np.where(np.isfinite(slope), np.uint32(0), np.uint32(flags.DO_NOT_USE))

    def _starts(self, segment: Segment) -> dict[str, int]:
        """Where the planes of a slope file start; looked up once."""
        with self._lock:
            if segment.path not in self._planes:
                self._planes[segment.path] = places(segment.path, (segment.n, *self.readout.shape))
            return self._planes[segment.path]


def _chosen(integrations: slice | int, n: int) -> list[int]:
    if isinstance(integrations, slice):
        return list(range(n))[integrations]
    if not -n <= integrations < n:
        raise InputError(f"integration {integrations}: the exposure has {n} (0 to {n - 1})")
    return [integrations % n]


def _plane(hdu: Any, k: int) -> NDArray[Any]:
    """One integration of a cube, or the image itself, in native byte order."""
    found = hdu.section[k] if len(hdu.shape) == 3 else hdu.data
    return np.asarray(found).astype(np.asarray(found).dtype.newbyteorder("="))


def _image(hdus: fits.HDUList, path: Path) -> Any:
    """The HDU with the science data: SCI, else the first with an image of 2 to 4 axes."""
    if "SCI" in hdus:
        return hdus["SCI"]
    for hdu in hdus:
        if hdu.is_image and len(hdu.shape) in KINDS:
            return hdu
    raise ExposureError(f"{path.name}: no SCI extension and no image in it; expected a Level-1b uncal or a rate product")


def find_files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files meant by files, folders and globs; of a folder its uncal files, else rateints, else rate.

    Raises
    ------
    ExposureError
        For what is not there.
    """
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    out: list[Path] = []
    for item in several:
        path = Path(item)
        if path.is_dir():
            for product in ("uncal", "rateints", "rate"):
                found = sorted(path.glob(f"*_{product}.fits")) or sorted(path.glob(f"{product}.fits"))
                if found:
                    break
            else:
                raise ExposureError(f"{path}: no *_uncal.fits, *_rateints.fits or *_rate.fits in this folder")
            out += found
        elif path.exists():
            out.append(path)
        elif glob.has_magic(str(item)):
            matches = [Path(p) for p in sorted(glob.glob(str(item)))]
            if not matches:
                raise ExposureError(f"{item}: no file matches")
            out += matches
        else:
            raise ExposureError(f"{path}: no such file or folder")
    if not out:
        raise ExposureError("no files given; expected the uncal segments of an exposure")
    resolved = [p.resolve() for p in out]
    for p in resolved:
        if resolved.count(p) > 1:
            raise ExposureError(f"{p.name}: given twice")
    return out


def open_exposure(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, allow_missing: bool = False) -> Exposure:
    """Open the segments of an exposure as one, in any order.

    Parameters
    ----------
    paths : files, a folder, a glob, or several of them. Kind by content: 4-D SCI is uncal, 3-D rateints, 2-D a rate image.
    allow_missing : accept a gap between segments.

    Returns
    -------
    Exposure

    Raises
    ------
    ExposureError
        For files that are missing, broken, not NIRISS/SOSS, of different exposures, doubled, or with a gap.
    """
    repairs: list[str] = []
    headed = [_open_segment(path, repairs) for path in find_files(paths)]
    kinds = {kind for kind, _, _ in headed}
    if len(kinds) > 1:
        listed = ", ".join(f"{s.path.name} ({kind})" for kind, s, _ in headed[:4])
        raise ExposureError(f"files of different kinds: {listed}; give the segments of one product")
    kind = kinds.pop()
    headed.sort(key=lambda h: (_int(h[1].header, "INTSTART", 1), h[1].number))
    readouts = [_readout(kind, s, shape, repairs) for kind, s, shape in headed]
    _check_belonging([s for _, s, _ in headed], readouts, kind, allow_missing)
    segments, first = [], 0
    for _, s, _ in headed:
        segments.append(Segment(s.path, first, s.n, s.size, s.offset, s.number, s.extensions, s.header))
        first += s.n
    time, source = _times(segments, readouts[0], repairs)
    stem, _, _ = names.parse(segments[0].path)
    for text in repairs:
        log.warning(text)
    header = segments[0].header
    return Exposure(kind, tuple(segments), readouts[0], time, source, stem, header, tuple(dict.fromkeys(repairs)))


def _open_segment(path: Path, repairs: list[str]) -> tuple[str, Segment, tuple[int, ...]]:
    """Header, kind and place of the data of one file."""
    size = need_regular_file(path, path.name, ExposureError)
    with reading(path.name, ExposureError), fits.open(path, memmap=False) as hdus:
        hdus.readall()
        image = _image(hdus, path)
        shape = tuple(int(n) for n in image.shape)
        header, lost = readable(hdus[0].header)
        science, lost_too = readable(image.header)
        extensions = tuple(h.name for h in hdus)
        place = image.fileinfo() or {}
        plain = [h for h in hdus if not isinstance(h, fits.CompImageHDU)]
        promised = max(int((h.fileinfo() or {}).get("datLoc", 0)) + int(h.size) for h in plain)
    packed = compressed(path)
    if size < promised and not packed:
        raise ExposureError(f"{path.name}: {size} bytes, its header promises {promised}; the file is truncated, fetch it again")
    broken = [key for key in (*lost, *lost_too) if key in USED]
    if broken:
        repairs.append(f"{path.name}: keyword {', '.join(dict.fromkeys(broken))} cannot be parsed, left out")
    if len(shape) not in KINDS or 0 in shape:
        raise ExposureError(f"{path.name}: the science array has shape {shape}; expected (integration, group, row, column)")
    kind = KINDS[len(shape)]
    offset = -1
    if kind == "uncal":
        if science.get("BITPIX") != 16 or _number(science, "BZERO", 0) != 32768 or _number(science, "BSCALE", 1) != 1:
            raise ExposureError(
                f"{path.name}: SCI has BITPIX {science.get('BITPIX')}, BZERO {science.get('BZERO', 0)}; expected raw counts as "
                "unsigned 16-bit (BITPIX 16, BZERO 32768)"
            )
        if packed:
            raise ExposureError(f"{path.name}: is compressed, counts are read in place; unpack it first (gunzip)")
        offset = int(place.get("datLoc", -1))
    for key in USED:  # a plain image has everything in one header
        if key in science and key not in header:
            header[key] = science[key]
    _check_mode(path, header, kind, repairs)
    n = shape[0] if kind != "rate" else 1
    number = _int(header, "EXSEGNUM", names.parse(path)[1] or 1, repairs, path)
    return kind, Segment(path, 0, n, size, offset, number, extensions, header), shape


def _check_mode(path: Path, header: fits.Header, kind: str, repairs: list[str]) -> None:
    expected = {"TELESCOP": "JWST", "INSTRUME": "NIRISS", "DETECTOR": "NIS", "EXP_TYPE": "NIS_SOSS", "PUPIL": "GR700XD"}
    for key, value in expected.items():
        found = header.get(key)
        if found is None:
            if kind == "uncal":
                repairs.append(f"{path.name}: keyword {key} is missing, taken as {value}")
            continue
        if str(found).strip().upper() != value:
            raise ExposureError(
                f"{path.name}: {key} is {str(found).strip()!r}, expected {value!r}; tsoar reduces NIRISS/SOSS only"
            )
    if str(header.get("FILTER", "CLEAR")).strip() == "F277W":
        repairs.append(f"{path.name}: FILTER F277W lets order 1 through beyond 2.4 um only; spectra left of column 425 at best")


def _int(header: fits.Header, key: str, default: int, repairs: list[str] | None = None, path: Path | None = None) -> int:
    """A whole number of a header; text is repaired, a missing one is the default."""
    return int(_number(header, key, float(default), repairs, path))


def _number(header: fits.Header, key: str, default: float, repairs: list[str] | None = None, path: Path | None = None) -> float:
    value = header.get(key)
    if value is None or isinstance(value, fits.card.Undefined):
        return default
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        number = float(value if plain else str(value).strip())
    except (ValueError, OverflowError):
        number = np.nan
    if plain and np.isfinite(number):
        return number
    if not np.isfinite(number):
        number = default
    if repairs is not None:
        name = "" if path is None else f"{path.name}: "
        repairs.append(f"{name}keyword {key} holds {value!r}, taken as {number:g}")
    return number


def _readout(kind: str, s: Segment, shape: tuple[int, ...], repairs: list[str]) -> Readout:
    """How a segment was read out; missing numbers from the subarray, with a note."""
    h, path = s.header, s.path
    name = str(h.get("SUBARRAY", "")).strip()
    by_shape: dict[tuple[int, ...], str] = {a.shape: n for n, a in SUBARRAYS.items()}
    if name not in SUBARRAYS:
        if name and name not in ("N/A", "UNKNOWN"):
            what = "known, but not supported yet" if "STRIPE_SOSS" in name or name == "FULL" else "not a SOSS subarray"
            raise ExposureError(f"{path.name}: SUBARRAY {name!r} is {what}; tsoar reduces {' and '.join(SUBARRAYS)}")
        if shape[-2:] not in by_shape:
            raise ExposureError(f"{path.name}: {shape[-2]} x {shape[-1]} pixels and no SUBARRAY keyword; expected {by_shape}")
        name = by_shape[shape[-2:]]
        repairs.append(f"{path.name}: keyword SUBARRAY is missing, taken as {name} by the shape")
    sub = SUBARRAYS[name]
    if shape[-2:] != sub.shape:
        raise ExposureError(
            f"{path.name}: {shape[-2]} x {shape[-1]} pixels, expected {sub.shape[0]} x {sub.shape[1]} for SUBARRAY {name}"
        )
    numbers, missing = {}, {}
    for key, default in (
        ("SUBSTRT1", sub.corner[0]),
        ("SUBSTRT2", sub.corner[1]),
        ("TFRAME", sub.tframe),
        ("NFRAMES", 1),
        ("GROUPGAP", 0),
        ("PWCPOS", 245.76),
    ):
        if key not in h:
            missing[key] = default
        numbers[key] = _number(h, key, default, repairs, path)
    if "TGROUP" not in h:
        missing["TGROUP"] = numbers["TFRAME"]
    if missing:
        repairs.append(f"{path.name}: missing keywords taken as {', '.join(f'{k} = {v:g}' for k, v in missing.items())}")
    tgroup = _number(h, "TGROUP", numbers["TFRAME"], repairs, path)
    if not (tgroup > 0 and numbers["TFRAME"] > 0):
        raise ExposureError(f"{path.name}: TGROUP {tgroup:g}, TFRAME {numbers['TFRAME']:g}; expected times above 0 s")
    plausible = {
        "TFRAME": (numbers["TFRAME"], sub.tframe / 3, sub.tframe * 3, "s"),
        "TGROUP": (tgroup, 0.99 * numbers["TFRAME"], 100 * numbers["TFRAME"], "s"),
        "PWCPOS": (numbers["PWCPOS"], *WHEEL, "deg"),
        "SUBSTRT1": (numbers["SUBSTRT1"], sub.corner[0], sub.corner[0], f"for {name}"),
        "SUBSTRT2": (numbers["SUBSTRT2"], sub.corner[1], sub.corner[1], f"for {name}"),
        "NFRAMES": (numbers["NFRAMES"], 1, 100, "frames"),
        "GROUPGAP": (numbers["GROUPGAP"], 0, 100, "frames"),
    }
    for key, (value, low, high, unit) in plausible.items():
        if not low <= value <= high:
            expected = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
            raise ExposureError(
                f"{path.name}: {key} is {value:.6g}, expected {expected} {unit}; mend the header or fetch it again"
            )
    groups = shape[1] if kind == "uncal" else 2  # slopes stand in as the difference of two groups
    if kind == "uncal" and "NGROUPS" in h and _int(h, "NGROUPS", groups, repairs, path) != groups:
        repairs.append(f"{path.name}: NGROUPS is {h['NGROUPS']}, the array holds {groups} groups; the array counts")
    if int(numbers["NFRAMES"]) != 1 and kind == "uncal":
        raise ExposureError(
            f"{path.name}: NFRAMES = {int(numbers['NFRAMES'])}, averaged groups are not supported; expected 1 (NISRAPID)"
        )
    return Readout(
        name,
        sub.shape,
        (int(numbers["SUBSTRT1"]), int(numbers["SUBSTRT2"])),
        groups,
        numbers["TFRAME"],
        tgroup,
        int(numbers["NFRAMES"]),
        int(numbers["GROUPGAP"]),
        numbers["PWCPOS"],
        str(h.get("FILTER", "CLEAR")).strip(),
    )


def _check_belonging(segments: list[Segment], readouts: list[Readout], kind: str, allow_missing: bool) -> None:
    """Segments of one exposure, each once, none missing."""
    first = segments[0]
    for s, readout in zip(segments[1:], readouts[1:], strict=True):
        if names.parse(s.path)[0] != names.parse(first.path)[0]:
            raise ExposureError(
                f"{s.path.name}: does not belong to {first.path.name}; give the segments of one exposure (or one file alone)"
            )
        if readout != readouts[0]:
            differ = [f for f in Readout.__slots__ if getattr(readout, f) != getattr(readouts[0], f)]
            raise ExposureError(
                f"{s.path.name}: {', '.join(differ)} differ from {first.path.name}; these are not segments of one exposure"
            )
        for key in SHARED:
            if key in s.header and key in first.header and str(s.header[key]) != str(first.header[key]):
                raise ExposureError(f"{s.path.name}: {key} is {s.header[key]!r}, {first.header[key]!r} in {first.path.name}")
    if len(segments) == 1 or kind == "rate":
        if kind == "rate" and len(segments) > 1:
            raise ExposureError("several rate images: each is an average already, give one of them (or the rateints segments)")
        total = _int(first.header, "EXSEGTOT", 1)
        if total > 1 and not allow_missing and kind == "uncal":
            log.warning("%s is one of %d segments of its exposure", first.path.name, total)
        return
    numbers = [s.number for s in segments]
    for a, b in itertools.pairwise(segments):
        if a.number == b.number:
            raise ExposureError(f"{b.path.name}: segment {b.number} is there twice (also {a.path.name})")
        end = _int(a.header, "INTEND", _int(a.header, "INTSTART", 1) + a.n - 1)
        start = _int(b.header, "INTSTART", end + 1)
        if start != end + 1 and not allow_missing:
            raise ExposureError(
                f"{b.path.name}: starts with integration {start}, {a.path.name} ends with {end}; one is missing or doubled"
            )
    total = _int(first.header, "EXSEGTOT", len(segments))
    if not 0 < total <= MOST_SEGMENTS:
        raise ExposureError(f"{first.path.name}: EXSEGTOT is {total}, expected 1 to {MOST_SEGMENTS}; mend the header")
    missing = sorted(set(range(1, total + 1)) - set(numbers))
    if missing and not allow_missing:
        raise ExposureError(
            f"{names.parse(first.path)[0]}: segment {', '.join(map(str, missing))} of {total} is missing; give all, or one"
        )


def _times(segments: list[Segment], readout: Readout, repairs: list[str]) -> tuple[F64, str]:
    """Mid-integration times of all integrations [d] and where they come from."""
    parts: list[F64] = []
    sources: list[str] = []
    for s in segments:
        time, source = _segment_times(s, readout, repairs)
        bad = np.flatnonzero(~np.isfinite(time))
        if bad.size:
            listed = ", ".join(str(i + 1) for i in bad[:5])
            raise ExposureError(
                f"{s.path.name}: no time for integration {listed}{' ...' if bad.size > 5 else ''} (NaN in {source})"
            )
        if source.startswith("INT_TIMES") and not (TIMES[0] < time.min() and time.max() < TIMES[1]):
            raise ExposureError(f"{s.path.name}: {source} holds {time.min():.6g} to {time.max():.6g} d, expected an MJD or JD")
        parts.append(time)
        sources.append(source)
    for s, source in zip(segments, sources, strict=True):
        if source != sources[0]:
            raise ExposureError(
                f"{s.path.name}: times come from {source}, those of {segments[0].path.name} from {sources[0]}; they do not go "
                "together: fetch the segment without an INT_TIMES table again"
            )
    time = np.concatenate(parts)
    step = np.diff(time)
    for wrong, what in ((step <= 0, "not later than"), (step > LONGEST_GAP, f"more than {LONGEST_GAP:g} d after")):
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0]) + 1
            guilty = next(s for s in segments if s.first <= k < s.first + s.n)
            raise ExposureError(
                f"{guilty.path.name}: times do not increase steadily: integration {k + 1} of the exposure is {what} {k}; are "
                "the segments in order, their INT_TIMES whole?"
            )
    return time, sources[0]


def _table_times(s: Segment) -> dict[str, F64]:
    """Mid-integration times of the INT_TIMES table, one value for each integration, by column name in lower case."""
    wanted = ("int_mid_bjd_tdb", "int_mid_mjd_utc")
    with reading(f"{s.path.name}: INT_TIMES", ExposureError), fits.open(s.path, memmap=False) as hdus:
        table = hdus["INT_TIMES"].data
        named = getattr(table, "names", None) or []
        found = {c.lower(): np.asarray(table[c]) for c in named if c.lower() in wanted}
    return {c: v[: s.n].astype(np.float64) for c, v in found.items() if v.ndim == 1 and v.size >= s.n and v.dtype.kind in "fiu"}


def _segment_times(s: Segment, readout: Readout, repairs: list[str]) -> tuple[F64, str]:
    if "INT_TIMES" in s.extensions:
        columns = _table_times(s)
        for column, source in (("int_mid_bjd_tdb", "INT_TIMES BJD_TDB"), ("int_mid_mjd_utc", "INT_TIMES MJD_UTC")):
            time = columns.get(column)
            if time is None or not np.isfinite(time).all():
                continue
            if "UTC" in source:
                repairs.append(f"{s.path.name}: INT_TIMES has no BJD_TDB, times are MJD UTC (up to 8.3 min and 69 s off)")
            return np.asarray(time - MJD_OFFSET if np.median(time) > 1e6 else time, np.float64), source
        if "int_mid_bjd_tdb" in columns:
            return columns["int_mid_bjd_tdb"], "INT_TIMES BJD_TDB"
    start = _number(s.header, "EXPSTART", np.nan)
    start = start if TIMES[0] < start < TIMES[1] else np.nan
    cadence = (readout.n_groups + 1) * readout.tframe
    first = _int(s.header, "INTSTART", 1) - 1
    where = "EXPSTART" if np.isfinite(start) else "integration numbers"
    repairs.append(f"{s.path.name}: no usable INT_TIMES table, times computed from {where} and the cadence of {cadence:.3f} s")
    begin = start if np.isfinite(start) else 0.0
    return np.asarray(begin + (first + np.arange(s.n) + 0.5) * cadence / SECONDS_PER_DAY, np.float64), where


def from_array(
    slopes: NDArray[Any],
    errors: NDArray[Any] | None = None,
    *,
    dq: NDArray[Any] | None = None,
    time: NDArray[Any] | None = None,
    pwcpos: float = 245.76,
    name: str = "array",
) -> Exposure:
    """Slopes from an array (i, y, x) or (y, x) [DN/s] as an exposure (row A2).

    Parameters
    ----------
    errors : like ``slopes`` [DN/s]; without them weights are those of typical read noise.
    dq : uint32 flags like ``slopes``; NaN slopes are DO_NOT_USE in any case.
    time : (i,) mid-integration BJD_TDB - 2400000.5 [d]; without it integration numbers times the cadence.
    pwcpos : pupil-wheel angle [deg].

    Raises
    ------
    InputError
        For a shape that is not a SOSS subarray's.
    """
    data = np.asarray(slopes, np.float32)
    data = data[None] if data.ndim == 2 else data
    by_shape = {a.shape: (n, a) for n, a in SUBARRAYS.items()}
    if data.ndim != 3 or data.shape[1:] not in by_shape:
        raise InputError(f"array of shape {data.shape}: expected (integration, row, column) of {list(by_shape)}")
    subarray, sub = by_shape[data.shape[1:]]
    readout = Readout(subarray, sub.shape, sub.corner, 2, sub.tframe, sub.tframe, pwcpos=pwcpos)
    err = np.ones_like(data) if errors is None else np.asarray(errors, np.float32).reshape(data.shape)
    flag = np.zeros(data.shape, np.uint32) if dq is None else np.asarray(dq, np.uint32).reshape(data.shape)
    arrays = Slopes(data, err, np.zeros_like(data), err**2, flag, readout)
    n = data.shape[0]
    days = np.asarray(np.arange(n) * 3 * sub.tframe / SECONDS_PER_DAY if time is None else time, np.float64)
    if days.shape != (n,) or not np.isfinite(days).all():
        raise InputError(f"time of shape {days.shape}: expected {n} finite values")
    kind = "rate" if n == 1 else "rateints"
    segment = Segment(Path(name), 0, n, data.nbytes, -1, 1, (), fits.Header())
    return Exposure(
        kind, (segment,), readout, days, "given" if time is not None else "numbers", name, fits.Header(), (), arrays
    )
