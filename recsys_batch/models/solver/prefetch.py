"""Asking for memory before it is needed, in LLVM's instructions."""

# mypy: allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import Signature
from numba.np.arrayobj import make_array

intrinsic: Any = numba.extending.intrinsic
_READ, _KEEP, _DATA = 0, 3, 1


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
