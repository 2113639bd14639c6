"""Reference files: found by their headers, cut to the subarray while being read, hashed for the record (rows A4, A5)."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import Readout, Reference
from tsoar.errors import ReferenceFileError
from tsoar.io.exposure import Exposure
from tsoar.io.headers import need_regular_file, readable, reading

log = logging.getLogger(__name__)

KINDS = ("mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise")
SCIENCE = {"linearity": "COEFFS"}
KEYWORDS = ("NFRAMES", "GROUPGAP", "NGROUPS", "TGROUP", "TFRAME", "GAINFACT", "AVDRKCUR")
RECORDED = ("USEAFTER", "PEDIGREE", "DESCRIP", "AUTHOR")
FULL_FRAME = (2048, 2048)
LARGEST = 1e12
"""no number in a header of a reference is larger"""
LEAST_FINITE = 0.5
"""a reference with fewer finite values than this share is broken; real ones have NaN in a few odd pixels"""


@dataclass(frozen=True, slots=True)
class Source:
    """A reference file as its header describes it."""

    kind: str
    path: Path
    header: Mapping[str, Any] = field(repr=False)


@dataclass
class References:
    """The reference files of a run; arrays load when first asked for, cut to the subarray.

    ``refs.superbias`` is the file as it is; ``refs.cut("superbias", readout)`` the part that belongs to a subarray.
    """

    sources: dict[str, Source]
    arrays: dict[str, Reference] = field(default_factory=dict)
    context: str = ""
    """CRDS context, when the files come from there"""
    left_out: tuple[str, ...] = ()
    """files of the folder that cannot be read: one of them may be the reference that is missing"""
    _cuts: dict[tuple[str, Readout | None], Reference] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def have(self, kind: str) -> bool:
        """Whether there is a reference of this type."""
        return kind in self.sources or kind in self.arrays

    def cut(self, kind: str, readout: Readout) -> Reference:
        """The part of a reference that covers the subarray.

        Raises
        ------
        ReferenceFileError
            When it is missing, broken, or does not cover the subarray.
        """
        if kind in self.arrays:
            return self.arrays[kind].cut(readout)
        return self._load(kind, readout)

    def _load(self, kind: str, readout: Readout | None) -> Reference:
        if kind not in self.sources:
            unread = f" (not readable: {', '.join(self.left_out[:3])})" if self.left_out else ""
            raise ReferenceFileError(
                f"no {kind} reference (REFTYPE {kind.upper()}) among the files given{unread}; add one with --ref {kind}=FILE "
                f"or leave its step out with --skip"
            )
        with self._lock:
            key = (kind, readout)
            if key not in self._cuts:
                self._cuts[key] = read_reference(self.sources[kind], readout)
            return self._cuts[key]

    def _whole(self, kind: str) -> Reference:
        return self.arrays[kind] if kind in self.arrays else self._load(kind, None)

    @property
    def mask(self) -> Reference:
        """Known bad pixels and reference pixels."""
        return self._whole("mask")

    @property
    def saturation(self) -> Reference:
        """Limits [raw DN]."""
        return self._whole("saturation")

    @property
    def superbias(self) -> Reference:
        """Bias [DN]."""
        return self._whole("superbias")

    @property
    def linearity(self) -> Reference:
        """Coefficients (n, y, x), constant first."""
        return self._whole("linearity")

    @property
    def dark(self) -> Reference:
        """Dark current (g, y, x) [DN]."""
        return self._whole("dark")

    @property
    def gain(self) -> Reference:
        """Gain [e-/DN]."""
        return self._whole("gain")

    @property
    def readnoise(self) -> Reference:
        """CDS read noise [DN]."""
        return self._whole("readnoise")

    def check(self, readout: Readout) -> None:
        """Refuse, before any work, what is not NIRISS or does not cover the subarray."""
        for kind, source in self.sources.items():
            h, name = source.header, source.path.name
            for key, expected in (("INSTRUME", "NIRISS"), ("DETECTOR", "NIS")):
                found = str(h.get(key, expected)).strip().upper()
                if found not in (expected, "N/A", "ANY", ""):
                    raise ReferenceFileError(f"reference {name} ({kind}): {key} is {found}, expected {expected}")
            subarray = str(h.get("SUBARRAY", "")).strip().upper()
            if subarray not in ("", "FULL", "GENERIC", "N/A", "ANY", readout.subarray):
                raise ReferenceFileError(
                    f"reference {name} ({kind}): made for {subarray}, the exposure is {readout.subarray}; "
                    f"give another with --ref {kind}=FILE"
                )

    def record(self) -> list[dict[str, Any]]:
        """Type, file, hash and origin of every reference, for run.json."""
        out: list[dict[str, Any]] = []
        for kind in KINDS:
            if kind in self.arrays:
                a = self.arrays[kind]
                out.append({"type": kind, "file": a.name, "sha256": a.sha256})
            elif kind in self.sources:
                s = self.sources[kind]
                told = {k.lower(): str(s.header[k]) for k in RECORDED if k in s.header}
                out.append({"type": kind, "file": s.path.name, "sha256": _sha256(s.path), **told})
        return out


def references(
    path: str | os.PathLike[str] | list[str | os.PathLike[str]] | None = None,
    *,
    crds: bool = False,
    exposure: Exposure | None = None,
    **single: str | os.PathLike[str] | NDArray[Any] | Reference,
) -> References:
    """Reference files from a folder, one by one, or from CRDS.

    Parameters
    ----------
    path : a folder, or files. What a file is, its REFTYPE keyword says, not its name.
    crds : ask CRDS for the best references of ``exposure`` (extra ``crds``; cache, server and context from CRDS_PATH,
        CRDS_SERVER_URL and CRDS_CONTEXT). Never done unless asked for.
    exposure : needed for CRDS; also decides between several files of one type.
    **single : ``superbias=FILE`` (or an array, or a `Reference`) takes the place of the folder's.

    Raises
    ------
    ReferenceFileError
        For files that cannot be read, several of one type that fit alike, an unknown type, a CRDS that fails.
    """
    unknown = [k for k in single if k not in KINDS]
    if unknown:
        raise ReferenceFileError(f"reference type {unknown[0]!r} is not known; expected one of {', '.join(KINDS)}")
    found: dict[str, list[Source]] = {}
    left_out: list[str] = []
    context = ""
    if crds:
        files, context = _from_crds(exposure)
    else:
        files = _listed(path)
    for file in files:
        source = _source(file, not _is_folder(path), left_out)
        if source is not None and source.kind not in single:
            found.setdefault(source.kind, []).append(source)
    sources = {kind: _choose(kind, several, exposure) for kind, several in found.items()}
    arrays: dict[str, Reference] = {}
    for kind, value in single.items():
        if isinstance(value, Reference):
            arrays[kind] = value
        elif isinstance(value, np.ndarray):
            is_mask = kind == "mask"
            data = None if is_mask else value.astype(np.float32)
            arrays[kind] = Reference(kind, data, value.astype(np.uint32) if is_mask else None)
        else:
            source = _source(Path(value), True, left_out)
            assert source is not None
            if source.kind != kind:
                raise ReferenceFileError(f"{Path(value).name}: REFTYPE is {source.kind.upper()}, given as {kind}")
            sources[kind] = source
    return References(sources, arrays, context, tuple(left_out))


def _is_folder(path: Any) -> bool:
    return isinstance(path, (str, os.PathLike)) and Path(path).is_dir()


def _listed(path: Any) -> list[Path]:
    if path is None:
        return []
    if not isinstance(path, (str, os.PathLike)):
        return [Path(p) for p in path]
    folder = Path(path)
    if not folder.exists():
        raise ReferenceFileError(f"{folder}: no such folder; expected one with reference files (--refs DIR) or --refs crds")
    return sorted(folder.glob("*.fits*")) if folder.is_dir() else [folder]


def _source(path: Path, must: bool, left_out: list[str]) -> Source | None:
    """Header of a reference file; None for other files of a folder, an error where a reference must be."""
    if must and not path.exists():
        raise ReferenceFileError(f"{path}: no such file")
    try:
        need_regular_file(path, path.name, ReferenceFileError)
        with reading(path.name, ReferenceFileError):
            header, _ = readable(fits.getheader(path, 0))
    except ReferenceFileError:
        if must:
            raise
        log.warning("%s: cannot be read as FITS, left out", path.name)
        left_out.append(path.name)
        return None
    kind = str(header.get("REFTYPE", "")).strip().lower()
    if kind not in KINDS:
        if must:
            raise ReferenceFileError(f"{path.name}: REFTYPE is {kind.upper() or 'missing'}; expected one of {', '.join(KINDS)}")
        return None
    return Source(kind, path, dict(header))


def _choose(kind: str, several: list[Source], exposure: Exposure | None) -> Source:
    """The one file of a type, by subarray and read pattern where there are several."""
    if len(several) > 1 and exposure is not None:
        subarray = exposure.readout.subarray
        fitting = [s for s in several if str(s.header.get("SUBARRAY", "")).strip() == subarray] or [
            s for s in several if str(s.header.get("SUBARRAY", "")).strip() in ("FULL", "GENERIC", "N/A", "")
        ]
        pattern = str(exposure.header.get("READPATT", "")).strip()
        exact = [s for s in fitting if str(s.header.get("READPATT", "")).strip() == pattern]
        several = exact or fitting or several
    if len(several) > 1:
        named = ", ".join(s.path.name for s in several[:3])
        raise ReferenceFileError(f"several {kind} references fit: {named}; choose with --ref {kind}=FILE")
    return several[0]


def read_reference(source: Source, readout: Readout | None) -> Reference:
    """Arrays of a reference; with ``readout`` only the pixels of its subarray are read.

    DQ bits are put in the standard order by the names in DQ_DEF.
    """
    name = source.path.name
    what = f"reference {name} ({source.kind})"
    need_regular_file(source.path, what, ReferenceFileError)
    with reading(what, ReferenceFileError), fits.open(source.path, memmap=False) as hdus:
        where = _window(source, hdus, readout)
        extension = SCIENCE.get(source.kind, "SCI")
        data = dq = None
        if source.kind != "mask":
            if extension not in hdus:
                raise ReferenceFileError(f"{what}: no {extension} extension")
            data = _section(hdus[extension], where).astype(np.float32)
        if "DQ" in hdus:
            bits = _section(hdus["DQ"], where)
            if bits.dtype.kind not in "iu" or bits.ndim != 2:
                raise ReferenceFileError(f"{what}: DQ is {bits.dtype} {bits.shape}, expected integer flags (y, x)")
            dq = remap(bits.astype(np.uint32), hdus["DQ_DEF"].data if "DQ_DEF" in hdus else None, what)
    finite = 1.0 if data is None or data.size == 0 else float(np.isfinite(data).mean())
    if finite < LEAST_FINITE:
        raise ReferenceFileError(
            f"{what}: {100 * finite:.0f} % of its values are finite, expected nearly all; give another with --ref "
            f"{source.kind}=FILE"
        )
    numbers = {k: source.header.get(k) for k in KEYWORDS}
    keywords = {k.lower(): float(v) for k, v in numbers.items() if isinstance(v, (int, float)) and abs(v) < LARGEST}
    if source.kind == "mask" and dq is None:
        raise ReferenceFileError(f"reference {name} (mask): no DQ extension")
    corner = readout.corner if where is not None and readout is not None else _corner(source)
    reference = Reference(source.kind, data, dq, corner, name, "", keywords)
    return reference.cut(readout) if readout is not None else reference


def _corner(source: Source) -> tuple[int, int] | None:
    try:
        return int(source.header["SUBSTRT1"]), int(source.header["SUBSTRT2"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _window(source: Source, hdus: fits.HDUList, readout: Readout | None) -> tuple[slice, slice] | None:
    """Rows and columns to read of a larger reference; None: all of it (`Reference.cut` then checks)."""
    image = next((h for h in hdus if h.is_image and len(h.shape) >= 2), None)
    if readout is None or image is None or image.shape[-2:] == readout.shape:
        return None
    corner = _corner(source) or ((1, 1) if image.shape[-2:] == FULL_FRAME else None)
    if corner is None:
        return None
    x, y = readout.corner[0] - corner[0], readout.corner[1] - corner[1]
    ny, nx = readout.shape
    if x < 0 or y < 0 or y + ny > image.shape[-2] or x + nx > image.shape[-1]:
        return None
    return slice(y, y + ny), slice(x, x + nx)


def _section(hdu: Any, where: tuple[slice, slice] | None) -> NDArray[Any]:
    if where is None:
        return np.ascontiguousarray(hdu.data)
    extra = len(hdu.shape) - 2
    return np.ascontiguousarray(hdu.section[(slice(None),) * extra + where])


def remap(dq: NDArray[np.uint32], definition: Any, what: str = "reference") -> NDArray[np.uint32]:
    """DQ bits as `tsoar.flags` has them, from the VALUE and NAME columns of DQ_DEF; unknown names are dropped.

    Raises
    ------
    ReferenceFileError
        When flags are set but none of the names is known: nothing of them would be left.
    """
    if definition is None or len(definition) == 0:
        return dq
    out, known = np.zeros_like(dq), 0
    for row in definition:
        bit = flags.PIXEL.get(str(row["NAME"]).strip())
        if bit is not None:
            out |= np.where(dq & np.uint32(row["VALUE"]), np.uint32(bit), np.uint32(0))
            known += 1
    if not known and dq.any():
        raise ReferenceFileError(f"{what}: flags are set in DQ, but DQ_DEF names none that is known, expected e.g. DO_NOT_USE")
    return out


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while piece := f.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()


def _from_crds(exposure: Exposure | None) -> tuple[list[Path], str]:
    """The best references of an exposure by CRDS, and the context."""
    if exposure is None:
        raise ReferenceFileError("references from CRDS depend on the exposure: give exposure= as well")
    try:
        import crds
    except ImportError as error:
        raise ReferenceFileError("references from CRDS need its package: pip install 'tsoar[crds]'") from error
    h = exposure.header
    keys = {
        "META.INSTRUMENT.NAME": "NIRISS",
        "META.INSTRUMENT.DETECTOR": "NIS",
        "META.INSTRUMENT.FILTER": exposure.readout.filter,
        "META.INSTRUMENT.PUPIL": "GR700XD",
        "META.EXPOSURE.TYPE": "NIS_SOSS",
        "META.EXPOSURE.READPATT": str(h.get("READPATT", "NISRAPID")),
        "META.SUBARRAY.NAME": exposure.readout.subarray,
        "META.OBSERVATION.DATE": str(h.get("DATE-OBS", "")),
        "META.OBSERVATION.TIME": str(h.get("TIME-OBS", "00:00:00")),
    }
    try:
        best = crds.getreferences(keys, reftypes=list(KINDS), observatory="jwst")
        context = str(crds.get_context_name("jwst"))
    except Exception as error:  # whatever a remote service and its cache can fail with
        raise ReferenceFileError(f"CRDS: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    missing = [k for k, v in best.items() if not Path(str(v)).exists()]
    if missing:
        raise ReferenceFileError(f"CRDS has no {', '.join(missing)} for this exposure: {best[missing[0]]}")
    return [Path(str(v)) for v in best.values()], context
