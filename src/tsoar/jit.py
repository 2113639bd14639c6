"""The one gate to compilation: `kernel` is the only numba decorator in the package.

Kernels are serial, release the GIL (threads run over integrations), and are cached on disk. numba does not notice when
a kernel called from another file has changed, so the cache folder is named after a hash of the package's sources.
No ``fastmath``: NaN means bad, and results must not depend on the width of a vector.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> Path:
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"@kernel" in text:
            digest.update(source.relative_to(package).as_posix().encode() + b"\0" + text)
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "tsoar" / f"kernels-{digest.hexdigest()[:12]}"


CACHE_FOLDER = _cache_folder()
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE_FOLDER))

import numba  # noqa: E402  (the cache folder must be known before numba is)


def _can_be_kept() -> bool:
    """Whether the cache folder can be written; on a read-only home kernels are compiled anew by every program."""
    try:
        folder = Path(os.environ["NUMBA_CACHE_DIR"])
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


KEPT = _can_be_kept()


def kernel(function: F) -> F:
    """Compile on first call, without the GIL; cached on disk where that is possible.

    Each set of argument types is compiled by itself: what counts from 0 and is handed to another kernel starts as
    ``np.int64(0)``, since numba takes a bare 0 for a type of its own.
    """
    compiled: F = numba.njit(nogil=True, cache=KEPT, error_model="numpy", no_cfunc_wrapper=True)(function)
    return compiled


def compiled_before() -> bool:
    """Whether this version's kernels are in the cache already (the first run says "compiling once")."""
    return CACHE_FOLDER.is_dir() and any(CACHE_FOLDER.rglob("*.nbi"))
