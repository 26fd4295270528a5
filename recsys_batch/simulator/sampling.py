"""Draws from many categorical distributions at once, without a loop over rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_batch.simulator.world import Floats, Ints

CELLS = 4_000_000  # probabilities held at a time (32 MB)
EDGE = 1e-9  # draws keep this far from a pool's ends, where sums are rounded


def draw(
    probabilities: Callable[[Ints], Floats],
    *,
    starts: Ints,
    columns: int,
    users: Ints,
    pools: Ints,
    uniforms: Floats,
) -> tuple[Ints, Floats]:
    """Draw one column for each user and pool by inversion.

    Parameters
    ----------
    probabilities
        Distinct user numbers -> (users, columns), each pool of columns summing to 1.
    starts
        First column of each pool, increasing from 0.
    columns
        Number of columns.
    users, pools
        (draws,) whose distribution, and which pool of it.
    uniforms
        (draws,) numbers in [0, 1).

    Returns
    -------
    (draws,) the column drawn, and its probability within its pool.
    """
    chosen = np.zeros(len(users), dtype=np.int64)
    chance = np.zeros(len(users))
    if not len(users):
        return chosen, chance
    ends = np.append(starts[1:], columns)
    distinct, row = np.unique(users, return_inverse=True)
    order = np.argsort(row, kind="stable")
    step = max(1, CELLS // columns)
    inner = EDGE + (1 - 2 * EDGE) * uniforms
    for first in range(0, len(distinct), step):
        block = probabilities(distinct[first : first + step])
        low, high = np.searchsorted(row[order], [first, first + step])
        part = order[low:high]
        here, pool = row[part] - first, pools[part]
        # Within a row the running sum rises by 1 a pool; shifted row by row, it rises throughout.
        rising = np.cumsum(block, axis=1)
        rising += len(starts) * np.arange(len(block))[:, None]
        found = np.searchsorted(
            rising.ravel(), len(starts) * here + pool + inner[part], side="right"
        )
        column = np.clip(found - here * columns, starts[pool], ends[pool] - 1)
        chosen[part], chance[part] = column, block[here, column]
    return chosen, chance
