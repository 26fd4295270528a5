"""Factors in the form the inner loop reads, with what is needed to bound its error rigorously.

For a user u and an item v the inner loop takes the product of roundings u' and v' and adds
``|u - u'| |v| + |u'| |v - v'|`` (Cauchy-Schwarz), so that the result is never below the score.
In int8, u' and v' are multiples of a scale a row; in float32, u' = u, v' = v and the error is
that of adding up the products in any order, at most ``dims * eps * |u| |v|`` (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1). Bounds and thresholds are in units of a scale of
the user times the largest item norm, which keeps tiny and huge factors within float32's range.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import math

import numpy as np

from recsys_batch.topn.jit import WIDTH, compiled

# Relative to |u| |v|: the rounding of a score to float32 and of the bounds' own arithmetic (ten
# operations of 2**-24 at most).
SLACK = 4e-6
UNDERFLOW = 1e-30  # in bound units: what float32 arithmetic may lose below its range
LEVELS = 127.0
UP = 1.0 + 1e-6  # covers the rounding of a float64 norm to float32


@compiled
def pack_items_int8(factors, norms, order, unit, packed, stats):
    """Round items to uint8 (offset 128), in tiles: steps of four dimensions x items x four."""
    dims = factors.shape[1]
    for position in range(order.shape[0]):
        row = factors[order[position]]
        tile, lane = position // WIDTH, position % WIDTH
        top = np.float32(0)
        for d in range(dims):
            top = max(top, abs(row[d]))
        scale = np.float64(np.float32(top / unit / LEVELS)) * unit
        inverse = 1.0 / scale if scale > 0.0 else 0.0
        residual = 0.0
        for d in range(dims):
            value = np.float64(row[d])
            level = min(max(np.rint(value * inverse), -LEVELS), LEVELS)
            packed[tile, d // 4, lane, d % 4] = np.uint8(level + 128.0)
            error = (value - level * scale) / unit
            residual += error * error
        stats[tile, 0, lane] = scale / unit
        stats[tile, 1, lane] = norms[order[position]] / unit * UP
        stats[tile, 2, lane] = math.sqrt(residual) * UP


@compiled
def pack_items_float32(factors, norms, order, unit, packed, stats):
    """Scale items by a power of two and lay them out in tiles: dimensions x items."""
    for position in range(order.shape[0]):
        row = factors[order[position]]
        tile, lane = position // WIDTH, position % WIDTH
        for d in range(factors.shape[1]):
            packed[tile, d, lane, 0] = np.float64(row[d]) / unit
        stats[tile, 0, lane] = 1.0
        stats[tile, 1, lane] = norms[order[position]] / unit * UP
        stats[tile, 2, lane] = 0.0


@compiled
def pack_users_int8(factors, norms, packed, scales, stats, starts):
    """Round users to int8; `stats` gets each user's error, size and an open threshold."""
    users, dims = factors.shape
    for user in range(users):
        top = 0.0
        for d in range(dims):
            top = max(top, abs(np.float64(factors[user, d])))
        scale = top / LEVELS if top > 0.0 else 1.0
        size, residual, total = 0.0, 0.0, 0.0
        for d in range(dims):
            value = np.float64(factors[user, d]) / scale
            level = np.rint(value)
            packed[user, d] = np.int8(level)
            total += level
            size += level * level
            residual += (value - level) ** 2
        scales[user] = scale
        starts[user] = np.int32(-128.0 * total)
        stats[user, 0] = (math.sqrt(residual) + SLACK * norms[user] / scale) * UP + UNDERFLOW
        stats[user, 1] = math.sqrt(size) * UP
        stats[user, 2] = np.finfo(np.float32).min


@compiled
def pack_users_float32(factors, norms, packed, scales, stats, starts):
    """Scale users by powers of two; `stats` gets each user's error and an open threshold."""
    users, dims = factors.shape
    rounding = (dims + 1) * 2.0**-24 * 1.01
    for user in range(users):
        scale = 2.0 ** math.floor(math.log2(norms[user])) if norms[user] > 0.0 else 1.0
        for d in range(dims):
            packed[user, d] = np.float64(factors[user, d]) / scale
        scales[user] = scale
        starts[user] = 0
        stats[user, 0] = (rounding + SLACK) * norms[user] / scale * UP + UNDERFLOW
        stats[user, 1] = 0.0
        stats[user, 2] = np.finfo(np.float32).min
