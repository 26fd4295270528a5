"""The inner loop, written in LLVM's vector instructions so that users need no compiler.

It takes six users times one tile of items, keeps all products in registers, turns them into upper
bounds of the scores and compares these with the users' thresholds on the spot: nothing but the
few bounds that pass is looked at again.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.typing.templates import Signature
from numba.np.arrayobj import make_array

from recsys_batch.compilation import intrinsic
from recsys_batch.topn.jit import GROUP, LANES, VECTORS, WIDTH

_I32, _I64, _F32, _F64 = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_INTS, _FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(_F32, LANES)
_BITS = ir.IntType(LANES)
_ENTRY = 4  # bytes of one step of one user or item: four int8 or one float32


def data(context: Any, builder: Any, kind: Any, value: Any, element: Any) -> Any:
    """Return the pointer to an array's first element, read as `element`."""
    pointer = make_array(kind)(context, builder, value).data
    return builder.bitcast(pointer, element.as_pointer())


def load_vector(builder: Any, base: Any, index: Any, kind: Any) -> Any:
    """Load a `kind` starting at element `index` of `base`, without assuming alignment."""
    pointer = builder.bitcast(builder.gep(base, [index]), kind.as_pointer())
    value = builder.load(pointer)
    value.align = _ENTRY
    return value


def _spread(builder: Any, scalar: Any, vector: Any) -> Any:
    """Copy a scalar to every lane."""
    empty = ir.Constant(vector, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(builder.insert_element(empty, scalar, _I32(0)), empty, zeros)


def _multiply_add_int8(builder: Any, total: Any, item: Any, user: Any) -> Any:
    kind = ir.FunctionType(_INTS, [_INTS] * 3)
    name = f"llvm.x86.avx512.vpdpbusd.{LANES * 32}"
    dot = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(dot, [total, item, user])


def _multiply_add_float32(builder: Any, total: Any, item: Any, user: Any) -> Any:
    product = builder.fmul(item, user, flags=("contract",))
    return builder.fadd(total, product, flags=("contract",))


def _products(
    builder: Any, users: list[Any], items: Any, steps: Any, starts: list[Any], multiply_add: Any
) -> list[list[Any]]:
    """Emit the loop over dimensions; return the products, one vector a user and item vector."""
    vector = starts[0].type
    before, loop, after = (
        builder.block,
        builder.append_basic_block("dimensions"),
        builder.append_basic_block("bounds"),
    )
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(_I64)
    totals = [[builder.phi(vector) for _ in range(VECTORS)] for _ in users]
    base = builder.mul(step, _I64(WIDTH))
    tile = [
        load_vector(builder, items, builder.add(base, _I64(c * LANES)), vector)
        for c in range(VECTORS)
    ]
    results = []
    for pointer, row in zip(users, totals, strict=True):
        user = _spread(builder, builder.load(builder.gep(pointer, [step])), vector)
        results.append([multiply_add(builder, t, i, user) for t, i in zip(row, tile, strict=True)])
    following = builder.add(step, _I64(1))
    step.add_incoming(_I64(0), before)
    step.add_incoming(following, loop)
    for start, row, result in zip(starts, totals, results, strict=True):
        for total, value in zip(row, result, strict=True):
            total.add_incoming(start, before)
            total.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
    builder.position_at_end(after)
    return results


def _compare(
    builder: Any, products: list[Any], of_user: list[Any], item_stats: Any, bounds: Any
) -> Any:
    """Turn one user's products into bounds, store them, return the bit set of those that pass."""
    error, size, threshold = (_spread(builder, value, _FLOATS) for value in of_user)
    passed = _I64(0)
    for c, product in enumerate(products):
        scale, norm, residual = (
            load_vector(builder, item_stats, _I64(row * WIDTH + c * LANES), _FLOATS)
            for row in range(3)
        )
        if product.type == _INTS:
            product = builder.sitofp(product, _FLOATS)
        bound = builder.fadd(
            builder.fmul(product, scale),
            builder.fadd(builder.fmul(error, norm), builder.fmul(size, residual)),
        )
        place = builder.bitcast(builder.gep(bounds, [_I64(c * LANES)]), _FLOATS.as_pointer())
        builder.store(bound, place).align = _ENTRY
        bits = builder.bitcast(builder.fcmp_ordered(">=", bound, threshold), _BITS)
        wide = builder.zext(bits, _I64) if LANES < 64 else bits
        passed = builder.or_(passed, builder.shl(wide, _I64(c * LANES)))
    return passed


@intrinsic
def upper_bounds(
    _context: Any,
    users: Any,
    items: Any,
    user_stats: Any,
    item_stats: Any,
    starts: Any,
    active: Any,
    bounds: Any,
    passed: Any,
    first: Any,  # noqa: ARG001
    tile: Any,  # noqa: ARG001
    steps: Any,  # noqa: ARG001
) -> tuple[Signature, Any]:
    """Bound the scores of users ``active[first : first + GROUP]`` with item tile `tile`.

    Fills `bounds` (GROUP x WIDTH) and `passed` (GROUP bit sets of the bounds that reach the
    user's threshold). Works on int8 where `items` is uint8, else on float32; see `pack`.
    """
    arrays = (users, items, user_stats, item_stats, starts, active, bounds, passed)
    is_int8 = items.dtype == types.uint8
    entry = _I32 if is_int8 else _F32
    kinds = (entry, entry, _F32, _F32, _I32, _I64, _F32, _I64)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays_data = [
            data(context, builder, *pair) for pair in zip(signature.args, args, kinds, strict=False)
        ]
        _emit_bounds(builder, arrays_data, args[len(kinds) :], is_int8=is_int8)
        return context.get_dummy_value()

    return types.void(*arrays, types.int64, types.int64, types.int64), emit


def _emit_bounds(builder: Any, data: list[Any], place: Any, *, is_int8: bool) -> None:
    users, items, user_stats, item_stats, starts, active, bounds, passed = data
    first, tile, steps = place
    rows = [builder.load(builder.gep(active, [builder.add(first, _I64(j))])) for j in range(GROUP)]
    if is_int8:
        initial = [_spread(builder, builder.load(builder.gep(starts, [r])), _INTS) for r in rows]
    else:
        initial = [ir.Constant(_FLOATS, [0.0] * LANES)] * GROUP
    products = _products(
        builder,
        [builder.gep(users, [builder.mul(row, steps)]) for row in rows],
        builder.gep(items, [builder.mul(tile, builder.mul(steps, _I64(WIDTH)))]),
        steps,
        initial,
        _multiply_add_int8 if is_int8 else _multiply_add_float32,
    )
    of_tile = builder.gep(item_stats, [builder.mul(tile, _I64(3 * WIDTH))])
    for j, row in enumerate(rows):
        base = builder.gep(user_stats, [builder.mul(row, _I64(3))])
        of_user = [builder.load(builder.gep(base, [_I64(i)])) for i in range(3)]
        out = builder.gep(bounds, [_I64(j * WIDTH)])
        found = _compare(builder, products[j], of_user, of_tile, out)
        builder.store(found, builder.gep(passed, [_I64(j)]))


@intrinsic
def lowest_bit(_context: Any, bits: Any) -> tuple[Signature, Any]:
    """Return the index of the lowest bit set in an int64 that is not zero."""

    def emit(_emitting: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(bits), emit
