"""Compilation of the kernel: what the processor offers, and a machine-code cache that is safe.

Compiled code is cached in the user's cache folder, never in the installation (which may be
read-only), below a digest of this room's sources: numba itself only notices changes of the file a
function stands in, not of the files whose functions it calls. Without a writable cache folder
each process compiles anew, which takes some seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba

_settings: Any = numba.config
F = TypeVar("F", bound=Callable[..., object])


def _processor_features() -> frozenset[str]:
    if _settings.CPU_NAME is None and _settings.CPU_FEATURES is None:
        return frozenset(name for name, on in llvm.get_host_cpu_features().items() if on)
    flags = (_settings.CPU_FEATURES or "").split(",")
    return frozenset(flag[1:] for flag in flags if flag.startswith("+"))


FEATURES = _processor_features()
HAS_INT8 = {"avx512f", "avx512vnni"} <= FEATURES
if "avx512f" in FEATURES:
    LANES, VECTORS = 16, 4  # floats a register, registers across a tile
elif "avx2" in FEATURES:
    LANES, VECTORS = 8, 2
else:
    LANES, VECTORS = 4, 4
WIDTH = LANES * VECTORS  # items a tile
GROUP = 6  # users whose products with a tile are held in registers at once


def _cache_folder() -> str | None:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    base = _settings.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache")
    try:
        folder = Path(base).expanduser() / "recsys-batch" / f"topn-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


_CACHE_FOLDER = _cache_folder()


def compiled(function: F) -> F:
    """Compile `function` on its first call; it runs without the interpreter lock."""
    compile_lazily: Any = numba.njit(
        nogil=True, error_model="numpy", cache=_CACHE_FOLDER is not None
    )
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = _CACHE_FOLDER or before
    try:
        result: F = compile_lazily(function)
    finally:
        _settings.CACHE_DIR = before
    return result
