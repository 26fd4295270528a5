"""A user's candidates: drop what the masks forbid, raise the threshold, score and sort exactly.

Bounds only decide what is scored; what is scored is ordered by score, then row, so that a list
never depends on them.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.topn.dot import exact_dot
from recsys_batch.topn.jit import WIDTH, compiled
from recsys_batch.topn.pack import UNDERFLOW

_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(0x80000000)


@compiled
def nth_largest(values, count, n):
    """Return the `n`-th largest of ``values[:count]``, reordering them (Hoare's quickselect)."""
    low, high, k = 0, count - 1, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@compiled
def _margin(user, position, block, items):
    tile, lane = position // WIDTH, position % WIDTH
    error = block.stats[user, 0] * items.stats[tile, 1, lane]
    return error + block.stats[user, 1] * items.stats[tile, 2, lane]


@compiled
def _lift(user, reached, block, items, scratch):
    """Take over a threshold that n permitted items are known to reach, unless it is lower.

    What rounds to the same float32 score is tied, so the threshold keeps a rounding's distance,
    which below float32's normal range is absolute.
    """
    unit = block.scales[user] * items.unit
    safe = np.float32(reached - abs(reached) * 3e-7 - UNDERFLOW - 2.0**-149 / unit)
    if safe >= block.stats[user, 2]:
        block.stats[user, 2] = safe
        scratch.proven[user] = True


@compiled
def raise_threshold(user, block, items, scratch, n):
    """Lift the threshold to the n-th best lower bound and drop what falls below it."""
    count = scratch.counts[user]
    if count < n:
        return
    candidates, bounds = scratch.candidates[user], scratch.bounds[user]
    values, stats = scratch.values, items.stats
    error, size = block.stats[user, 0], block.stats[user, 1]
    for i in range(count):
        tile, lane = candidates[i] // WIDTH, candidates[i] % WIDTH
        margin = error * stats[tile, 1, lane] + size * stats[tile, 2, lane]
        values[i] = bounds[i] - np.float32(2) * margin
    reached = nth_largest(values, count, n)
    _lift(user, reached, block, items, scratch)
    threshold = block.stats[user, 2]
    kept = 0
    for i in range(count):
        if bounds[i] >= threshold:
            candidates[kept] = candidates[i]
            bounds[kept] = bounds[i]
            kept += 1
    scratch.counts[user] = kept
    scratch.checked[user] = kept


@compiled
def sort_exactly(user, block, items, scratch):
    """Fill `keys` with the candidates in final order: score descending, then row ascending."""
    count = scratch.counts[user]
    users, others, rows, candidates = block.factors, items.factors, items.rows, scratch.candidates
    values, every_bit, keys = scratch.values, scratch.bits, scratch.keys
    dims = users.shape[1]
    scratch.work[0] += count
    for i in range(count):
        row = rows[candidates[user, i]]
        score = exact_dot(users, user, others, row, dims)
        values[i] = score + np.float32(0)  # turns -0.0 into 0.0
        bits = every_bit[i]
        descending = bits if bits & _SIGN else ~(bits | _SIGN)
        keys[i] = (np.uint64(descending) << np.uint64(32)) | np.uint64(row)
    keys[:count].sort()
    for i in range(count):
        descending = np.uint32(keys[i] >> np.uint64(32))
        every_bit[i] = descending if descending & _SIGN else ~descending & ~_SIGN
    return count


@compiled
def settle(user, block, items, scratch, n):
    """Keep only the n best by exact score: for ties and margins that fill the buffer."""
    count = min(n, sort_exactly(user, block, items, scratch))
    unit = block.scales[user] * items.unit
    for i in range(count):
        position = items.positions[np.int64(scratch.keys[i] & _LOW)]
        scratch.candidates[user, i] = position
        scratch.bounds[user, i] = scratch.values[i] / unit + _margin(user, position, block, items)
    scratch.counts[user] = scratch.checked[user] = count
    _lift(user, scratch.values[count - 1] / unit, block, items, scratch)
