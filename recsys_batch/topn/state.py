"""What the compiled functions work on: packed items, a packed block of users, working memory.

Positions and rows are unsigned: of a number that might be negative each look-up asks whether it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Items(NamedTuple):
    """All items, packed; positions go by descending norm, rows are the caller's."""

    factors: NDArray[np.float32]  # rows x dimensions, a multiple of 8 wide
    packed: NDArray[np.uint8] | NDArray[np.float32]
    stats: NDArray[np.float32]  # tiles x (scale, norm, residual) x WIDTH
    rows: NDArray[np.uint32]  # row of each position
    positions: NDArray[np.int32]  # position of each row, -1 where the row is closed to all
    unit: float


class Block(NamedTuple):
    """Some users, packed."""

    first: int  # the caller's row of the first user
    factors: NDArray[np.float32]
    norms: NDArray[np.float64]
    packed: NDArray[np.int8] | NDArray[np.float32]
    scales: NDArray[np.float64]
    stats: NDArray[np.float32]  # users x (error, size, threshold)
    starts: NDArray[np.int32]


class Scratch(NamedTuple):
    """One thread's working memory."""

    candidates: NDArray[np.uint32]  # users x capacity: positions
    bounds: NDArray[np.float32]  # users x capacity
    counts: NDArray[np.int64]
    checked: NDArray[np.int64]  # how many candidates are known to be permitted
    proven: NDArray[np.bool_]  # whether n permitted items are known to reach the threshold
    active: NDArray[np.int64]
    waiting: NDArray[np.int64]  # the users that a sweep began with
    passed: NDArray[np.int64]
    tile_bounds: NDArray[np.float32]
    sample: NDArray[np.float32]  # sampled tiles x GROUP x WIDTH
    marks: NDArray[np.uint8]  # a byte an item, zero between uses
    values: NDArray[np.float32]
    bits: NDArray[np.uint32]  # the same memory as `values`
    keys: NDArray[np.uint64]
    spare: NDArray[np.uint64]  # as long as `keys`
    work: NDArray[np.int64]  # one number: how many pairs were scored exactly
