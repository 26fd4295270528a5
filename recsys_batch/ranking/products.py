"""Scores of picked items and their moments over all items, user by user in a fixed order.

A user's numbers are the same bits whoever else is in the block, which products of whole matrices
do not promise: a list that was made yesterday can stand beside lists made today.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_batch.compilation import ANY_ORDER, compiler

_LANES = 8  # users whose variances are summed side by side
_compiled = compiler(Path(__file__).parent, "ranking", fastmath=ANY_ORDER)
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def picked_scores(users: Floats, items: Floats, picked: npt.NDArray[np.int32]) -> Floats:
    """Dot products of each user with some items.

    Parameters
    ----------
    users, items
        Rows x factors.
    picked
        Users x width: item rows.

    Returns
    -------
    array
        float32, users x width.
    """
    out = np.empty(picked.shape, dtype=np.float32)
    _picked(users, items, picked, out)
    return out


def moments(users: Floats, mean: Doubles, covariance: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and variance over all items of each user's scores.

    Parameters
    ----------
    users
        Users x factors.
    mean, covariance
        Of the items' factors.
    """
    blocks = -(-len(users) // _LANES)
    lanes = np.zeros((blocks * _LANES, users.shape[1]), dtype=np.float64)
    lanes[: len(users)] = users
    turned = np.ascontiguousarray(lanes.reshape(blocks, _LANES, users.shape[1]).transpose(0, 2, 1))
    found = np.zeros((2, blocks, _LANES), dtype=np.float64)
    _moments(turned, mean, covariance, found)
    means, variances = found.reshape(2, -1)[:, : len(users)]
    return means, variances


@_compiled
def _picked(users, items, picked, out):
    dims = users.shape[1]
    for row in range(len(users)):
        user = users[row]
        for place in range(picked.shape[1]):
            item = items[picked[row, place]]
            total = np.float32(0)
            for k in range(dims):
                total += user[k] * item[k]
            out[row, place] = total


@_compiled
def _moments(turned, mean, covariance, found):
    """`turned` is blocks x factors x 8: sums go over factors, and never from one user to another.

    The covariance is symmetric: of a pair of factors it is read once.
    """
    dims = turned.shape[1]
    for block in range(len(turned)):
        users, means, variances = turned[block], found[0, block], found[1, block]
        for i in range(dims):
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
            for j in range(i):
                each, other = covariance[i, j], users[j]
                a0 += each * other[0]
                a1 += each * other[1]
                a2 += each * other[2]
                a3 += each * other[3]
                a4 += each * other[4]
                a5 += each * other[5]
                a6 += each * other[6]
                a7 += each * other[7]
            sums = (a0, a1, a2, a3, a4, a5, a6, a7)
            for lane in range(8):
                own = users[i, lane]
                means[lane] += mean[i] * own
                variances[lane] += own * (2.0 * sums[lane] + covariance[i, i] * own)
