"""A user's candidates: drop what the masks forbid, raise the threshold, score and sort exactly.

Bounds only decide what is scored; what is scored is ordered by score, then row, so that a list
never depends on them.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.compilation import LINE, prefetch
from recsys_batch.topn.dot import exact_dot
from recsys_batch.topn.jit import WIDTH, compiled
from recsys_batch.topn.pack import UNDERFLOW

_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(0x80000000)
_ROUNDS = 24  # halvings of an interval of thresholds, at most
_CLOSE = 32  # a threshold is good enough where an n-th part of this more than n reach it
_RUN = 256  # keys sorted at once, by counting
_AHEAD = 8  # candidates whose factors are asked for before they are scored


@compiled
def _reached_by(values, count, n):
    """Return a value that `n` or more of ``values[:count]`` reach, and hardly more than `n`.

    Halving an interval takes some ten passes without a branch, which vectors do: less than to
    find the n-th largest.
    """
    low = high = values[0]
    for i in range(1, count):
        low, high = min(low, values[i]), max(high, values[i])
    for _ in range(_ROUNDS):
        middle = np.float32(0.5) * (low + high)
        reaching = np.int32(0)  # narrow, so that a register counts many lanes at once
        for i in range(count):
            reaching = np.int32(reaching + (values[i] >= middle))
        if reaching < n:
            high = middle
            continue
        low = middle
        if reaching <= n + n // _CLOSE:
            break
    return low


@compiled
def _sort_few(keys, spare):
    """Sort keys by counting for each how many are less, which vectors do."""
    for i in range(len(keys)):
        key = keys[i]
        place = 0
        for j in range(len(keys)):
            place += keys[j] < key
        spare[place] = key
    for i in range(len(keys)):
        keys[i] = spare[i]


@compiled
def _merge(left, right, out):
    """Write two sorted arrays to `out` as one."""
    i = j = 0
    for place in range(len(out)):
        if j == len(right) or (i < len(left) and left[i] < right[j]):
            out[place] = left[i]
            i += 1
        else:
            out[place] = right[j]
            j += 1


@compiled
def _sort(keys, spare):
    """Sort keys, no two of which are equal; `spare` has room for as many."""
    count = len(keys)
    for first in range(0, count, _RUN):
        last = min(first + _RUN, count)
        _sort_few(keys[first:last], spare[first:last])
    run = _RUN
    while run < count:
        for first in range(0, count, 2 * run):
            middle, last = min(first + run, count), min(first + 2 * run, count)
            _merge(keys[first:middle], keys[middle:last], spare[first:last])
        for i in range(count):
            keys[i] = spare[i]
        run *= 2


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
    """Lift the threshold to one that n lower bounds reach and drop what falls below it."""
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
    _lift(user, _reached_by(values, count, n), block, items, scratch)
    threshold = block.stats[user, 2]
    kept = 0
    for i in range(count):  # without a branch, which would often be guessed wrong
        bound = bounds[i]
        candidates[kept], bounds[kept] = candidates[i], bound
        kept += bound >= threshold
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
        if i + _AHEAD < count:
            ahead = rows[candidates[user, i + _AHEAD]] * np.int64(dims)
            for d in range(0, dims, LINE):
                prefetch(others, ahead + d)
        row = rows[candidates[user, i]]
        score = exact_dot(users, user, others, row, dims)
        values[i] = score + np.float32(0)  # turns -0.0 into 0.0
        bits = every_bit[i]
        descending = bits if bits & _SIGN else ~(bits | _SIGN)
        keys[i] = (np.uint64(descending) << np.uint64(32)) | np.uint64(row)
    _sort(keys[:count], scratch.spare)
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
