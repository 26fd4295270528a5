"""Who is kept out, and lists that candidates leave short filled up in the fall-back order."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_batch.ranking.policy.facts import Bools, Floats, Rows
from recsys_batch.ranking.policy.jit import compiled


@compiled
def drop_excluded(items: Rows, indptr: Any, indices: Any, usable: Bools) -> None:
    """Clear `usable` (users x width) where the user's row of a CSR matrix names the candidate."""
    for user in range(items.shape[0]):
        start, stop = indptr[user], indptr[user + 1]
        if start == stop:
            continue
        marked = set(indices[start:stop])
        for place in range(items.shape[1]):
            if usable[user, place] and items[user, place] in marked:
                usable[user, place] = False


@compiled
def top_up(
    rows: Rows,
    scores: Floats,
    fill: Rows,
    masks: Bools,
    mask_rows: Any,
    indptr: Any,
    indices: Any,
) -> None:
    """Fill lists (users x n, -1 where they end) that are not full, in place.

    The first item put in scores the greatest whole number that is 1 or more below the last score,
    or 1 if there is none, and every further item 1/n less, or as little as float32 can tell.
    """
    n = rows.shape[1]
    marks = np.full(masks.shape[1], -1, dtype=np.int32)
    for user in range(rows.shape[0]):
        if n == 0 or rows[user, n - 1] >= 0:
            continue
        for at in range(indptr[user], indptr[user + 1]):
            marks[indices[at]] = user
        length = 0
        while rows[user, length] >= 0:
            marks[rows[user, length]] = user
            length += 1
        first = 1.0 if length == 0 else np.floor(np.float64(scores[user, length - 1])) - 1.0
        added = 0
        for row in fill:
            if marks[row] != user and masks[mask_rows[user], row]:
                marks[row] = user
                score = np.float32(first - added / n)
                if length > 0 and score >= scores[user, length - 1]:
                    score = np.nextafter(scores[user, length - 1], np.float32(-np.inf))
                rows[user, length] = row
                scores[user, length] = score
                length += 1
                added += 1
                if length == n:
                    break
