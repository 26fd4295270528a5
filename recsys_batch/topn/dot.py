"""The score itself: one fixed order of exact products, in LLVM's vector instructions."""

# mypy: allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.typing.templates import Signature

from recsys_batch.compilation import intrinsic
from recsys_batch.topn.vector import data, load_vector

_I32, _I64, _F32, _F64 = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_LANES = 8


@intrinsic
def exact_dot(
    _context: Any,
    users: Any,
    user: Any,  # noqa: ARG001
    items: Any,
    item: Any,  # noqa: ARG001
    dims: Any,  # noqa: ARG001
) -> tuple[Signature, Any]:
    """Score one pair as `reference.scores` defines it; `dims` is a positive multiple of 8."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = args[4]
        left, right = (
            builder.gep(
                data(context, builder, signature.args[i], args[i], _F32),
                [builder.mul(args[i + 1], size)],
            )
            for i in (0, 2)
        )
        return builder.fptrunc(_emit_dot(builder, left, right, size), _F32)

    row = types.int64
    return types.float32(users, row, items, row, types.int64), emit


def _emit_dot(builder: Any, left: Any, right: Any, size: Any) -> Any:
    singles, doubles = ir.VectorType(_F32, _LANES), ir.VectorType(_F64, _LANES)
    before = builder.block
    loop, after = builder.append_basic_block("dot"), builder.append_basic_block("sum")
    builder.branch(loop)
    builder.position_at_end(loop)
    d, lanes = builder.phi(_I64), builder.phi(doubles)
    a, b = (
        builder.fpext(load_vector(builder, side, d, singles), doubles) for side in (left, right)
    )
    added = builder.fadd(lanes, builder.fmul(a, b))
    following = builder.add(d, _I64(_LANES))
    d.add_incoming(_I64(0), before)
    d.add_incoming(following, loop)
    lanes.add_incoming(ir.Constant(doubles, [0.0] * _LANES), before)
    lanes.add_incoming(added, loop)
    builder.cbranch(builder.icmp_signed("<", following, size), loop, after)
    builder.position_at_end(after)
    sums = [builder.extract_element(added, _I32(i)) for i in range(_LANES)]
    while len(sums) > 1:  # s0 + s4, s1 + s5, ...; then (s0 + s4) + (s2 + s6), ...
        half = len(sums) // 2
        sums = [builder.fadd(sums[i], sums[i + half]) for i in range(half)]
    return sums[0]
