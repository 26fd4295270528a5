"""The best items of users whose scores are held for all items."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.compilation import fixed
from recsys_batch.ranking.jit import compiled

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]

_ROOM = 4  # times n: items held before the threshold is raised


def best_items(
    scores: Floats,
    n: int,
    *,
    exclude: sparse.csr_matrix | None = None,
    allow: npt.NDArray[np.bool_] | None = None,
) -> Ints:
    """The rows of each user's n greatest scores, by score, then row.

    Parameters
    ----------
    scores
        Users x items; -inf is never taken.
    exclude
        Users x items; an entry keeps the item out.
    allow
        Mask of items that may be taken at all; None: all.

    Returns
    -------
    array
        int32, users x n; -1 where a list ends.
    """
    users = len(scores)
    barred = sparse.csr_matrix(scores.shape) if exclude is None else exclude
    barred = barred if barred.has_sorted_indices else barred.sorted_indices()
    may = np.ones(scores.shape[1], dtype=np.bool_) if allow is None else allow
    items = np.full((users, n), -1, dtype=np.int32)
    values = np.full((users, n), -np.inf, dtype=np.float32)
    _take_best(
        fixed(scores, np.float32),
        fixed(barred.indptr, np.int64),
        fixed(barred.indices, np.int32),
        fixed(may),
        items,
        values,
    )
    order = np.argsort(-values, axis=1, kind="stable")  # equal ones stand by row
    return np.take_along_axis(items, order, axis=1)


@compiled
def _take_best(scores, ends, barred, may, items, values):
    """Write each user's best, ascending by row; what is left of a list stays as it is."""
    n = items.shape[1]
    room = _ROOM * n
    rows = np.empty(room, dtype=np.int32)
    held = np.empty(room, dtype=np.float32)
    spare = np.empty(room, dtype=np.float32)
    for user in range(scores.shape[0]):
        count, threshold = 0, np.float32(-np.inf)
        at, end = ends[user], ends[user + 1]
        own = scores[user]
        for item in range(len(own)):
            if not own[item] > threshold:
                continue
            while at < end and barred[at] < item:
                at += 1
            if not may[item] or (at < end and barred[at] == item):
                continue
            rows[count], held[count] = item, own[item]
            count += 1
            if count == room:
                count, threshold = _keep_best(rows, held, spare, count, n)
        if count > n:
            count, threshold = _keep_best(rows, held, spare, count, n)
        items[user, :count] = rows[:count]
        values[user, :count] = held[:count]


@compiled
def _keep_best(rows, held, spare, count, n):
    """Keep the n best, the first of equal ones, in their order; return n and the last's score.

    An item that comes later needs more than that score: equal ones before it have the place.
    """
    spare[:count] = held[:count]
    edge = _nth_largest(spare, count, n)
    above = 0
    for i in range(count):
        above += held[i] > edge
    level = n - above
    kept = 0
    for i in range(count):
        if held[i] < edge:
            continue
        if held[i] == edge:
            if level == 0:
                continue
            level -= 1
        rows[kept], held[kept] = rows[i], held[i]
        kept += 1
    return kept, edge


@compiled
def _nth_largest(values, count, n):
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
