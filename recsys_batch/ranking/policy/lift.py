"""Lists under one floor and no other rule that reorders: the best first, owed members moved up.

What `recsys_batch.ranking.policy.walk` would make of them in twenty times the time, for it goes
from place to place: the rules that ship have one floor.
"""

# mypy: allow-untyped-calls
# What is compiled has no types of its own.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.arranging import Floor
from recsys_batch.ranking.policy.caps import owed
from recsys_batch.ranking.policy.facts import FLOOR, RELEVANCE, Bools, Floats, Rows
from recsys_batch.ranking.policy.state import Lists
from recsys_batch.ranking.policy.utility import best_places


def lift(items: Rows, utility: Floats, members: Bools, floor: Floor, n: int) -> Lists | None:
    """Make the lists of a block, or None where some user's candidates do not suffice.

    Parameters
    ----------
    items, utility
        Users x width: candidates, and what they are worth; -inf for what must not be shown.
    members
        bool, items: belongs to the floor's group.
    floor
        The rule; its audience is everybody.
    n
        Length of a list.
    """
    width = items.shape[1]
    order = best_places(utility, width)
    if not 0 < n <= width or np.isneginf(np.take_along_axis(utility, order[:, n - 1 : n], 1)).any():
        return None
    belongs = np.take_along_axis(members[items] & ~np.isneginf(utility), order, axis=1)
    why = np.full((len(items), n), RELEVANCE, dtype=np.int8)
    slots = np.arange(width)
    for place in _due(floor, n):
        short = np.flatnonzero(belongs[:, : place + 1].sum(axis=1) < owed(floor.share, place + 1))
        if not len(short):
            continue
        below = belongs[short, place + 1 :]
        if not below.any(axis=1).all():
            return None
        found = (below.argmax(axis=1) + place + 1)[:, None]
        moved = np.where((slots > place) & (slots <= found), slots - 1, slots)
        moved = np.where(slots == place, found, moved)
        for array in (order, belongs):
            array[short] = np.take_along_axis(array[short], moved, axis=1)
        why[short, place] = FLOOR
    order = order[:, :n]
    rows = np.take_along_axis(items, order, axis=1)
    return Lists(
        rows=rows,
        places=order,
        values=_falling(np.take_along_axis(utility, order, axis=1), rows),
        why=why,
        propensity=np.ones(order.shape, dtype=np.float32),
    )


def _due(floor: Floor, n: int) -> list[int]:
    """Places, from 0, by which one member more is owed."""
    owing = [owed(floor.share, length) for length in range(min(n, floor.first or n) + 1)]
    return [place for place in range(len(owing) - 1) if owing[place + 1] > owing[place]]


def _falling(values: Floats, rows: Rows) -> Floats:
    """Raise whatever stands above something better to the least score that keeps it there."""
    for at in range(values.shape[1] - 2, -1, -1):
        above, below = values[:, at], values[:, at + 1]
        wrong = (above < below) | ((above == below) & (rows[:, at] > rows[:, at + 1]))
        values[wrong, at] = np.nextafter(below[wrong], np.float32(np.inf))
    return values
