"""Caps and floors: what an item would exceed, and what is still owed."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.jit import compiled

_ROUNDING = 1e-9  # 0.3 * 10 is no less than 3


@compiled
def fits(row, place, user, caps, memory):
    """Whether an item at a place exceeds no cap."""
    for cap in range(len(caps.first)):
        if place < caps.first[cap]:
            group = caps.groups[cap, row]
            if group >= 0 and memory.counts[cap, group] >= caps.most[user, cap]:
                return False
    return True


@compiled
def count(row, place, caps, memory):
    """Count an item at a place towards the caps."""
    for cap in range(len(caps.first)):
        if place < caps.first[cap]:
            group = caps.groups[cap, row]
            if group >= 0:
                memory.counts[cap, group] += 1


@compiled
def loosens(place, caps):
    """Whether some cap ends at a place, so that items which it kept out may be taken."""
    return np.any(caps.first == place)


@compiled
def show(row, place, floors, memory):
    """Count an item at a place towards the floors."""
    for floor in range(len(floors.first)):
        if place < floors.first[floor] and floors.members[floor, row]:
            memory.shown[floor] += 1


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
        owed = np.int64(np.floor(floors.shares[user, floor] * end + _ROUNDING))
        memory.wanting[floor] = shown < owed
        some = some or memory.wanting[floor]
    return some


@compiled
def helps(row, floors, memory):
    """Whether an item belongs to the group of a floor that is not met."""
    for floor in range(len(floors.first)):
        if memory.wanting[floor] and floors.members[floor, row]:
            return True
    return False
