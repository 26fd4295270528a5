"""One block of users against all items: bound, collect what may be in the list, score, sort.

Items come in descending order of norm. Each user keeps a buffer of items whose bound reaches its
threshold; when the buffer is full the threshold rises to the n-th best lower bound so far and
whatever falls below is dropped. A user is done once no remaining item's norm can reach its
threshold.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.topn.guess import OPEN, guess_thresholds
from recsys_batch.topn.jit import GROUP, WIDTH, compiled
from recsys_batch.topn.pack import UP
from recsys_batch.topn.permit import keep_permitted, list_ties, take_allowed
from recsys_batch.topn.select import raise_threshold, settle, sort_exactly
from recsys_batch.topn.vector import lowest_bit, upper_bounds

_LOW = np.uint64(0xFFFFFFFF)


@compiled
def _still_active(active, count, block, items, tile):
    """Keep the users whose threshold the tile's largest norm can still reach."""
    largest = items.stats[tile, 1, 0]
    kept = 0
    for i in range(count):
        user = active[i]
        reach = block.norms[user] / block.scales[user] * UP * largest
        if block.stats[user, 2] <= reach:
            active[kept] = user
            kept += 1
    for i in range(kept, min(kept + GROUP - 1, active.shape[0])):
        active[i] = active[max(kept - 1, 0)]
    return kept


@compiled
def _make_room(user, block, items, exclude, allow, scratch, n):
    keep_permitted(user, block.first, items, exclude, allow, scratch)
    raise_threshold(user, block, items, scratch, n)
    capacity = scratch.candidates.shape[1]
    if scratch.counts[user] > (capacity + n) // 2:
        settle(user, block, items, scratch, n)


@compiled
def _sweep(count, block, items, exclude, allow, scratch, n):
    """Collect the candidates of the first `count` active users from all tiles.

    The innermost loops stand here, and not in a function of their own, because passing the
    tuples costs as much as a group's work.
    """
    candidates, bounds, counts = scratch.candidates, scratch.bounds, scratch.counts
    active, passed, tile_bounds = scratch.active, scratch.passed, scratch.tile_bounds
    steps = block.packed.shape[1] * block.packed.itemsize // 4
    full = candidates.shape[1] - WIDTH
    for i in range(count):
        counts[active[i]] = scratch.checked[active[i]] = 0
    alive = count
    for tile in range(items.packed.shape[0]):
        alive = _still_active(active, alive, block, items, tile)
        for first in range(0, alive, GROUP):
            upper_bounds(
                block.packed, items.packed, block.stats, items.stats, block.starts,
                active, tile_bounds, passed, first, tile, steps,
            )  # fmt: skip
            for j in range(min(GROUP, alive - first)):
                found = passed[j]
                if found == 0:
                    continue
                user = active[first + j]
                place = counts[user]
                while found != 0:
                    lane = lowest_bit(found)
                    found &= found - 1
                    candidates[user, place] = tile * WIDTH + lane
                    bounds[user, place] = tile_bounds[j, lane]
                    place += 1
                counts[user] = place
                if place > full:
                    _make_room(user, block, items, exclude, allow, scratch, n)


@compiled
def _write(user, block, items, scratch, n, out_rows, out_scores):
    """Score and sort the user's candidates and write the best."""
    count = sort_exactly(user, block, items, scratch)
    row, keys, values = block.first + user, scratch.keys, scratch.values
    for rank in range(min(count, n)):
        out_rows[row, rank] = np.int64(keys[rank] & _LOW)
        out_scores[row, rank] = values[rank]


@compiled
def _finish(user, block, items, exclude, allow, scratch, n, out_rows, out_scores):
    """Write the user's list and return True; False where a guess was too high."""
    keep_permitted(user, block.first, items, exclude, allow, scratch)
    raise_threshold(user, block, items, scratch, n)
    if not scratch.proven[user] and block.stats[user, 2] > OPEN:
        return False
    _write(user, block, items, scratch, n, out_rows, out_scores)
    return True


@compiled
def scan(block, items, exclude, allow, scratch, n, out_rows, out_scores):
    """Write the lists of the block's users to `out_rows` and `out_scores`."""
    waiting = 0
    scratch.active[:] = 0
    scratch.proven[:] = False
    for user in range(block.factors.shape[0]):
        if block.norms[user] == 0.0:
            list_ties(user, block.first, items, exclude, allow, scratch, out_rows, out_scores)
        elif take_allowed(user, block.first, items, allow, scratch):
            keep_permitted(user, block.first, items, exclude, allow, scratch)
            _write(user, block, items, scratch, n, out_rows, out_scores)
        else:
            scratch.active[waiting] = user
            waiting += 1
    guess_thresholds(waiting, block, items, exclude, allow, scratch, n)
    while waiting > 0:
        count, waiting = waiting, 0
        for i in range(count):
            scratch.waiting[i] = scratch.active[i]
        _sweep(count, block, items, exclude, allow, scratch, n)
        for i in range(count):
            user = scratch.waiting[i]
            if not _finish(user, block, items, exclude, allow, scratch, n, out_rows, out_scores):
                block.stats[user, 2] = OPEN
                scratch.active[waiting] = user
                waiting += 1
