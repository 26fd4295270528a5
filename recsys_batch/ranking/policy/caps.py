"""Caps and floors: what an item would exceed, and what is still owed."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.jit import compiled

_ROUNDING = 1e-9  # 0.3 * 10 is no less than 3


@compiled
def fits(row, place, groups, first, most, counts):
    """Whether an item at a place exceeds no cap; `most` are the user's."""
    for cap in range(len(first)):
        if place < first[cap]:
            group = groups[cap, row]
            if group >= 0 and counts[cap, group] >= most[cap]:
                return False
    return True


@compiled
def count(row, place, groups, first, counts):
    """Count an item at a place towards the caps."""
    for cap in range(len(first)):
        if place < first[cap]:
            group = groups[cap, row]
            if group >= 0:
                counts[cap, group] += 1


@compiled
def show(row, place, members, first, shown):
    """Count an item at a place towards the floors."""
    for floor in range(len(first)):
        if place < first[floor] and members[floor, row]:
            shown[floor] += 1


@compiled
def owed(share, length):
    """How many members a floor asks for among the first `length` items."""
    return np.int64(np.floor(share * length + _ROUNDING))


@compiled
def owes(place, following, user, rows, floors, memory):
    """Tell which floors are not met before the next open place unless an item is put at this one.

    `following` is that next open place, or the length of the list; the places between are pins, or
    are drawn for and promise nothing.
    """
    some = False
    for floor in range(len(floors.first)):
        memory.wanting[floor] = False
        if place >= floors.first[floor] or floors.shares[user, floor] == 0.0:
            continue
        end = min(following, floors.first[floor])
        shown = memory.shown[floor]
        for later in range(place + 1, end):
            if rows[later] >= 0 and floors.members[floor, rows[later]]:
                shown += 1
        memory.wanting[floor] = shown < owed(floors.shares[user, floor], end)
        some = some or memory.wanting[floor]
    return some


@compiled
def helps(row, members, wanting):
    """Whether an item belongs to the group of a floor that is not met."""
    found = False
    for floor in range(len(wanting)):
        found = found or (wanting[floor] and members[floor, row])
    return found
