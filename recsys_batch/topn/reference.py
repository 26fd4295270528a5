"""Exact top-N defined in plain NumPy: slow, obvious, the oracle of the kernel's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_batch.topn.masks import Mask

LANES = 8


def scores(
    user_factors: NDArray[np.float32], item_factors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Score every user against every item, by the project's definition of a score.

    The products are taken in float64, where the product of two float32 is exact; those of
    dimensions d, d + 8, d + 16, ... are added in that order, giving eight sums; the sums are
    added as ``((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))`` and the total is rounded to
    float32. A fixed order makes the score independent of machine, threads and block sizes.

    Returns
    -------
    ndarray
        Users x items, float32.
    """
    users, dims = user_factors.shape
    lanes = np.zeros((LANES, users, item_factors.shape[0]))
    for d in range(dims):
        lanes[d % LANES] += np.multiply.outer(
            user_factors[:, d].astype(np.float64), item_factors[:, d].astype(np.float64)
        )
    s0, s1, s2, s3, s4, s5, s6, s7 = lanes
    total = ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
    return total.astype(np.float32) + np.float32(0)


def top_n(
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32],
    *,
    n: int,
    exclude: Mask = None,
    allow: Mask = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return what `recsys_batch.topn.top_n` must return, by sorting all scores of each user."""
    all_scores = scores(user_factors, item_factors)
    users, items = all_scores.shape
    permitted = _dense(allow, users, items, default=True) & ~_dense(
        exclude, users, items, default=False
    )
    item_rows = np.full((users, n), -1, dtype=np.int32)
    best = np.full((users, n), -np.inf, dtype=np.float32)
    for user in range(users):
        rows = np.flatnonzero(permitted[user])
        order = rows[np.lexsort((rows, -all_scores[user, rows]))][:n]
        item_rows[user, : len(order)] = order
        best[user, : len(order)] = all_scores[user, order]
    return item_rows, best


def _dense(mask: Mask, users: int, items: int, *, default: bool) -> NDArray[np.bool_]:
    if mask is None:
        return np.full((users, items), default)
    if isinstance(mask, np.ndarray):
        return np.broadcast_to(mask, (users, items))
    dense = np.zeros((users, items), dtype=np.bool_)
    dense[np.repeat(np.arange(users), np.diff(mask.indptr)), mask.indices] = True
    return dense
