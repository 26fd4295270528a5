"""Thresholds to start with, guessed from a sample of the items.

Every `_STRIDE`-th tile is bounded first; the bound that so many of the sample reach as should, in
all items, comfortably exceed n is each user's first threshold. A guess that was too high is found
out afterwards (fewer than n lower bounds reach it) and that user is scanned again without one, so
guesses save work and cannot change a list.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import math

import numpy as np

from recsys_batch.topn.jit import GROUP, WIDTH, compiled
from recsys_batch.topn.permit import ALLOWED, EXCLUDED, has, mark
from recsys_batch.topn.vector import upper_bounds

_STRIDE = 16
_OFFSET = _STRIDE // 2
_ROUNDS = 24  # halvings of a threshold's interval; more than float32 needs to part n from 2n
OPEN = np.float32(np.finfo(np.float32).min)


def sample_tiles(tiles: int) -> int:
    """Return how many of `tiles` are in the sample."""
    return (tiles - _OFFSET + _STRIDE - 1) // _STRIDE if tiles > _OFFSET else 0


@compiled
def _forbid(user, j, first, items, exclude, allow, scratch):
    """Set the sampled bounds of items that the masks forbid to minus infinity."""
    row_user = first + user
    if exclude.present and exclude.dense.shape[1] == 0:
        positions, indices, sample = items.positions, exclude.indices, scratch.sample
        for entry in range(exclude.indptr[row_user], exclude.indptr[row_user + 1]):
            position = positions[indices[entry]]
            tile = position // WIDTH
            if position >= 0 and tile % _STRIDE == _OFFSET:
                sample[tile // _STRIDE, j, position % WIDTH] = -np.inf
    by_matrix = exclude.present and exclude.dense.shape[1] > 0
    if not (by_matrix or allow.present):
        return
    mark(allow, row_user, ALLOWED, scratch.marks)
    for place in range(scratch.sample.shape[0] * WIDTH):
        sampled, lane = place // WIDTH, place % WIDTH
        position = (sampled * _STRIDE + _OFFSET) * WIDTH + lane
        if position < items.rows.shape[0]:
            row = items.rows[position]
            forbidden = by_matrix and has(exclude, row_user, row, EXCLUDED, scratch.marks)
            if forbidden or (
                allow.present and not has(allow, row_user, row, ALLOWED, scratch.marks)
            ):
                scratch.sample[sampled, j, lane] = -np.inf
    mark(allow, row_user, np.uint8(0), scratch.marks)


@compiled
def _count_reaching(sample, j, threshold):
    count = 0
    for sampled in range(sample.shape[0]):
        reaching = np.int32(0)  # narrow, so that a register counts many lanes at once
        for lane in range(WIDTH):
            reaching = np.int32(reaching + (sample[sampled, j, lane] >= threshold))
        count += int(reaching)
    return count


@compiled
def _reached_by(sample, j, wanted, largest):
    """Return a threshold that `wanted` of user j's sampled bounds reach, and hardly more."""
    low, high = -largest, largest
    if _count_reaching(sample, j, low) < wanted:
        return OPEN
    for _ in range(_ROUNDS):
        middle = np.float32(0.5) * (low + high)
        count = _count_reaching(sample, j, middle)
        if count >= wanted:
            low = middle
            if count <= wanted + wanted // 8:
                break
        else:
            high = middle
    return low


@compiled
def guess_thresholds(count, block, items, exclude, allow, scratch, n):
    """Set the thresholds of `count` active users, where the sample is large enough to tell."""
    size = scratch.sample.shape[0] * WIDTH
    expected = n / _STRIDE
    wanted = np.int32(expected + 3.5 * math.sqrt(expected) + 2)
    if wanted * 4 > size:
        return
    steps = block.packed.shape[1] * block.packed.itemsize // 4
    for first in range(0, count, GROUP):
        for s in range(size // WIDTH):
            upper_bounds(
                block.packed, items.packed, block.stats, items.stats, block.starts,
                scratch.active, scratch.sample[s], scratch.passed,
                first, s * _STRIDE + _OFFSET, steps,
            )  # fmt: skip
        for j in range(min(GROUP, count - first)):
            user = scratch.active[first + j]
            _forbid(user, j, block.first, items, exclude, allow, scratch)
            largest = np.float32(block.norms[user] / block.scales[user] * items.stats[0, 1, 0])
            block.stats[user, 2] = _reached_by(scratch.sample, j, wanted, largest)
