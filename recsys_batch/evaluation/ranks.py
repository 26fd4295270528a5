"""The rank of one positive among sampled negatives, for protocols such as 1 against 99."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys_batch.errors import ContractError
from recsys_batch.evaluation.lists import Ints


def pessimistic_rank(
    scores: NDArray[np.floating[Any]], positives: NDArray[np.integer[Any]]
) -> Ints:
    """Rank each row's positive below everything that scores as high: a tie counts against us.

    Parameters
    ----------
    scores
        Cases x candidates, higher is better. NaN counts against us as well.
    positives
        Column of the positive in each row.

    Returns
    -------
    array of int64
        1-based rank of the positive: 1 plus the other candidates not strictly below it.

    Raises
    ------
    ContractError
        There is not one positive a row, or it is no column of `scores`.
    """
    if scores.ndim != 2 or positives.shape != scores.shape[:1]:
        raise ContractError(
            f"scores of shape {scores.shape} with positives of shape {positives.shape}",
            where="1-against-n ranking",
            fix="pass scores as cases x candidates and one positive column a case",
        )
    if len(positives) and (positives.min() < 0 or positives.max() >= scores.shape[1]):
        raise ContractError(
            f"a positive outside columns 0 to {scores.shape[1] - 1}",
            where="1-against-n ranking",
            fix="number the candidates of a case from 0",
        )
    own = np.take_along_axis(scores, positives[:, None], axis=1)
    return np.asarray((~(scores < own)).sum(axis=1), dtype=np.int64)
