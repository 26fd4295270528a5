"""Candidates that may be shown, and the fall-back order for lists that they leave short."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.order import before, fill_score


@compiled
def find_usable(items, access, usable):
    """Set `usable` (users x width) where the user may get the candidate."""
    marks = np.full(access.masks.shape[1], -1, dtype=np.int32)
    for user in range(items.shape[0]):
        mask = access.masks[access.mask_rows[user]]
        for at in range(access.indptr[user], access.indptr[user + 1]):
            marks[access.indices[at]] = user
        for place in range(items.shape[1]):
            row = items[user, place]
            usable[user, place] = row >= 0 and mask[row] and marks[row] != user


@compiled
def top_up(rows, scores, items, fill, access):
    """Fill lists (users x n, -1 where they end) that are not full, in place.

    `items` are the candidates; those that are not in the list by now must not be shown.
    """
    n = rows.shape[1]
    marks = np.full(access.masks.shape[1], -1, dtype=np.int32)
    for user in range(rows.shape[0]):
        if n == 0 or rows[user, n - 1] >= 0:
            continue
        for at in range(access.indptr[user], access.indptr[user + 1]):
            marks[access.indices[at]] = user
        for row in items[user]:
            if row >= 0:
                marks[row] = user
        _append(user, rows[user], scores[user], fill, marks, access)


@compiled
def _append(user, rows, scores, fill, marks, access):
    length = start = np.sum(rows >= 0)
    last = scores[start - 1] if start else np.float32(-np.inf)
    mask = access.masks[access.mask_rows[user]]
    for row in fill:
        if length == len(rows):
            break
        if marks[row] != user and mask[row]:
            marks[row] = user
            rows[length] = row
            scores[length] = fill_score(last, length - start, len(rows))
            above = length - 1
            if length > 0 and not before(scores[above], rows[above], scores[length], row):
                scores[length] = np.nextafter(scores[above], np.float32(-np.inf))
            length += 1
