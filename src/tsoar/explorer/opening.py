"""What a page is opened on: a run's folder (its files are found from run.json), or an exposure with references."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsoar.config import Config, from_dict, load
from tsoar.errors import InputError
from tsoar.explorer.session import Session, open_session
from tsoar.io import datasets
from tsoar.io.exposure import Exposure, open_exposure
from tsoar.io.references import References, references
from tsoar.reduce.plan import make_plan
from tsoar.reduce.run import Progress, Result

if TYPE_CHECKING:
    from tsoar.explorer.notebook import Explorer

PathLike = str | os.PathLike[str]
RECORD = "run.json"
HOW = "say where: tsoar explore {out} UNCAL... --refs DIR"


def is_run(path: PathLike) -> bool:
    """Whether this is the folder of a finished run."""
    return (Path(path) / RECORD).is_file()


def read_record(out: Path) -> dict[str, Any]:
    """run.json of a run's folder.

    Raises
    ------
    InputError
        For a folder that is not there, or not that of a finished run.
    """
    if not out.is_dir():
        raise InputError(
            f"{out}: no such folder; expected that of a finished run, or the uncal files of an exposure with --refs"
        )
    if not is_run(out):
        raise InputError(
            f"{out}: no {RECORD} in this folder, so not that of a finished run; expected one that tsoar run has finished, or "
            "the uncal files of an exposure with --refs"
        )
    return datasets.read_json(out / RECORD)


def found(recorded: str, was: str, out: Path) -> Path | None:
    """A recorded file, where it was, or where it is if everything moved together with the run's folder."""
    path = Path(recorded)
    if path.exists():
        return path
    together = Path(os.path.normpath(out.resolve() / os.path.relpath(recorded, was))) if was else None
    return together if together is not None and together.exists() else None


def inputs_of(record: dict[str, Any], out: Path, how: str = HOW) -> list[Path]:
    """The exposure's files, by run.json; ``how`` to say where else they are ends the message when they are gone.

    Raises
    ------
    InputError
        Naming those that are no longer where they were.
    """
    files = record.get("performance", {}).get("files", {})
    recorded = files.get("inputs", [])
    names = ", ".join(str(i.get("name")) for i in record.get("inputs", []))
    if not recorded:
        raise InputError(f"{out / RECORD}: does not say where the exposure's files are ({names}); " + how.format(out=out))
    paths = [found(r, files.get("out", ""), out) for r in recorded]
    gone = [r for r, path in zip(recorded, paths, strict=True) if path is None]
    if gone:
        raise InputError(f"{', '.join(gone)}: no longer there (so {out / RECORD} has it); " + how.format(out=out))
    return [path for path in paths if path is not None]


def references_of(record: dict[str, Any], out: Path, exposure: Exposure) -> References | None:
    """The reference files, by run.json; None when the run had none.

    Raises
    ------
    InputError
        Naming those that are no longer where they were.
    """
    wanted = {r["type"]: r.get("file", "") for r in record.get("references", [])}
    if not wanted:
        return None
    files = record.get("performance", {}).get("files", {})
    recorded: dict[str, str] = files.get("references", {})
    missing = [name for kind, name in wanted.items() if kind not in recorded]
    if missing:
        raise InputError(
            f"{out / RECORD}: does not say where the reference files are ({', '.join(missing)}); give them with --refs DIR"
        )
    paths = {kind: found(recorded[kind], files.get("out", ""), out) for kind in wanted}
    gone = [recorded[kind] for kind, path in paths.items() if path is None]
    if gone:
        raise InputError(f"{', '.join(gone)}: no longer there (so {out / RECORD} has it); give the references with --refs DIR")
    given: dict[str, Any] = {kind: path for kind, path in paths.items() if path is not None}
    return references(None, exposure=exposure, **given)


def differences(record: dict[str, Any], exposure: Exposure, refs: References | None) -> list[str]:
    """In which files these are not what the run was made of."""
    told = []
    then = {(i.get("name"), i.get("bytes")) for i in record.get("inputs", [])}
    now = {(s.path.name, s.size) for s in exposure.segments}
    if then != now:
        told.append(f"note: the run was made of other files ({', '.join(sorted(str(name) for name, _ in then))})")
    if refs is not None:
        names = {kind: source.path.name for kind, source in refs.sources.items()}
        other = [r for r in record.get("references", []) if names.get(r["type"], r["file"]) != r["file"]]
        if other:
            told.append(f"note: the run had other references ({', '.join(str(r['file']) for r in other)})")
    return told


def open_run(
    out: PathLike,
    exposure: Exposure | Sequence[PathLike] | None = None,
    refs: References | None = None,
    *,
    progress: Progress | None = None,
    note: Any = lambda text: None,
) -> Session:
    """A finished run, with the settings it had.

    Parameters
    ----------
    out : its folder.
    exposure, refs : in place of those run.json names, when they have moved.
    note : called with a sentence when these are not the files of the run.
    """
    folder = Path(out)
    record = read_record(folder)
    if not isinstance(exposure, Exposure):
        exposure = open_exposure(list(exposure) if exposure else inputs_of(record, folder))
    refs = refs if refs is not None else references_of(record, folder, exposure)
    for text in differences(record, exposure, refs):
        note(text)
    config = from_dict(record["config"]) if isinstance(record.get("config"), dict) else load()
    return open_session(exposure, refs, config, result=Result(folder, make_plan(exposure, refs, config)), progress=progress)


def explore(
    what: Result | Exposure | PathLike | Sequence[PathLike],
    refs: References | PathLike | None = None,
    *,
    exposure: Exposure | Sequence[PathLike] | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Explorer:
    """Look at any frame, ramp, profile and light curve; in a notebook inline.

    Parameters
    ----------
    what : what `tsoar.run` returned, the folder of a run, an `Exposure`, or the files of one.
    refs : references (or their folder); for a run only when they have moved.
    exposure : the exposure of a run, when its files have moved or it began with arrays.
    config : settings for an exposure without a run.

    Returns
    -------
    Explorer : as the last value of a notebook's cell it shows the page; ``session`` answers the same without one.

    Raises
    ------
    TsoarError
        For files that are missing or do not fit.
    """
    from tsoar.explorer.notebook import Explorer

    if refs is not None and not isinstance(refs, References):
        refs = references(refs)
    if isinstance(what, Result):
        return Explorer(open_run(what.out, exposure, refs, progress=progress))
    if isinstance(what, (str, os.PathLike)) and (is_run(what) or exposure is not None):
        return Explorer(open_run(what, exposure, refs, progress=progress))
    opened = what if isinstance(what, Exposure) else open_exposure(what)
    return Explorer(open_session(opened, refs, config or load(), progress=progress))
