"""Compilation of loops: what the processor offers, and a machine-code cache that is safe.

Compiled code is cached in the user's cache folder, never in the installation (which may be
read-only), below a digest of its room's sources: numba itself only notices changes of the file a
function stands in, not of the files whose functions it calls. Without a writable cache folder
each process compiles anew, which takes some seconds.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature
from numba.np.arrayobj import make_array
from numpy.typing import DTypeLike

LINE = 16  # floats a cache line
_READ, _KEEP, _DATA = 0, 3, 1
_settings: Any = numba.config
intrinsic: Any = numba.extending.intrinsic
F = TypeVar("F", bound=Callable[..., object])
# Sums may be taken in any order and products fused; what is not a number stays so.
ANY_ORDER = frozenset({"reassoc", "contract", "nsz"})


def _processor_features() -> frozenset[str]:
    if _settings.CPU_NAME is None and _settings.CPU_FEATURES is None:
        return frozenset(name for name, on in llvm.get_host_cpu_features().items() if on)
    flags = (_settings.CPU_FEATURES or "").split(",")
    return frozenset(flag[1:] for flag in flags if flag.startswith("+"))


FEATURES = _processor_features()


def cache_folder(sources: Path, name: str) -> str | None:
    """Make the folder for the machine code of a room's sources; None where none can be written."""
    files = [Path(__file__), *sorted(sources.glob("*.py"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    base = _settings.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache")
    try:
        folder = Path(base).expanduser() / "recsys-batch" / f"{name}-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


def compile_into(
    function: F,
    folder: str | None,
    *,
    fastmath: frozenset[str] = frozenset(),
    allocates: bool = True,
) -> F:
    """Compile `function` on its first call and keep its machine code in `folder`, if there is one.

    It runs without the interpreter lock. One that allocates no memory, nor calls what does, need
    not count references to arrays, which locks memory whenever one is passed on.
    """
    unlisted: dict[str, Any] = {"_nrt": allocates}  # numba's stubs know no such option
    compile_lazily: Any = numba.njit(
        nogil=True,
        error_model="numpy",
        cache=folder is not None,
        fastmath=set(fastmath),
        **unlisted,
    )
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = folder or before
    try:
        result: F = compile_lazily(function)
    finally:
        _settings.CACHE_DIR = before
    return result


def compiler(
    sources: Path,
    name: str,
    *,
    fastmath: frozenset[str] = frozenset(),
    allocates: bool = True,
) -> Callable[[F], F]:
    """Make the decorator that compiles the functions of one room.

    Parameters
    ----------
    sources
        Folder of the room's modules: a change of any of them compiles all anew.
    name
        Of the room, for the name of its cache folder.
    fastmath
        LLVM's flags of inexact arithmetic, such as `ANY_ORDER`: none for loops whose results are
        the same bits on every processor.
    allocates
        Whether any of them allocates memory.
    """
    folder = cache_folder(sources, name)
    return lambda function: compile_into(function, folder, fastmath=fastmath, allocates=allocates)


def fixed(array: Any, dtype: DTypeLike | None = None) -> Any:
    """Return a read-only, contiguous view (or copy) of an array.

    Loops are compiled anew for each type of their arguments, and an array's layout and
    whether it may be written to are part of its type: arrays from Arrow or from a memory map may
    not be. So all that the loops only read has one type.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view(np.ndarray)
    view.flags.writeable = False
    return view


@intrinsic
def prefetch(_context: Any, matrix: Any, place: Any) -> tuple[Signature, Any]:  # noqa: ARG001
    """Ask for the cache line of the element `place` of a matrix, counted row by row."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = make_array(signature.args[0])(context, builder, args[0]).data
        number, address = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        line = builder.bitcast(builder.gep(start, [args[1]]), address)
        builder.call(ask, [line, *(number(each) for each in (_READ, _KEEP, _DATA))])
        return context.get_dummy_value()

    return types.void(matrix, types.int64), emit
