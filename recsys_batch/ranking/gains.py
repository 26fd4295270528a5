"""Discounted gains of lists that are never made: only the places of what is relevant are counted.

To sort a user's scores costs far more than to count, for each relevant item, how many items stand
above it, as the count ends at the list's depth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.jit import compiled

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@compiled
def discounted_gains(
    scores: Floats, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], k: int
) -> Doubles:
    """DCG at k of each user: the sum over relevant items of ``1 / log2(place + 1)``.

    Parameters
    ----------
    scores
        Users x columns; -inf for what is not in the list. Order is by score, then column.
    indptr, indices
        Columns that are relevant to each user, as in CSR.
    k
        Depth.

    Returns
    -------
    array
        float64, users.
    """
    gains = np.zeros(scores.shape[0])
    for user in range(scores.shape[0]):
        for cell in range(indptr[user], indptr[user + 1]):
            column = indices[cell]
            if scores[user, column] > -np.inf:
                above = _above(scores[user], column, k)
                if above < k:
                    gains[user] += 1.0 / np.log2(above + 2.0)
    return gains


@compiled
def _above(scores: Floats, column: int, k: int) -> int:
    """How many columns stand above one; counted up to k."""
    above = 0
    for other in range(len(scores)):
        tied = scores[other] == scores[column] and other < column
        if tied or scores[other] > scores[column]:
            above += 1
            if above >= k:
                break
    return above


def ideal_gains(relevant: npt.NDArray[np.integer], *, k: int) -> Doubles:
    """DCG at k of the best possible list of each user, by the number of relevant items, from 1."""
    discount = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    return np.asarray(discount[np.minimum(relevant, k) - 1], dtype=np.float64)
