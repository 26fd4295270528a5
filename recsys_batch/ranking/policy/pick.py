"""The next item of a list: the best candidate, else the first of the fall-back order."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.caps import fits, helps
from recsys_batch.ranking.policy.jit import compiled

NOTHING = -1


@compiled
def best_candidate(place, user, capped, owing, rules, memory):
    """Place among the candidates of the most valuable free one, -1 if none will do.

    Ties go to the smaller item row. `capped`: it must exceed no cap; `owing`: it must help
    a floor that is not met.
    """
    items, utility = rules.candidates.items, rules.candidates.utility
    best, value = NOTHING, -np.inf
    for each in range(items.shape[1]):
        if not memory.free[each]:
            continue
        own = utility[user, each] - memory.penalty[each]
        if own <= value:
            continue
        row = items[user, each]
        if capped and not fits(row, place, user, rules.caps, memory):
            continue
        if owing and not helps(row, rules.floors, memory):
            continue
        best, value = each, own
    return best


@compiled
def first_of(order, place, user, capped, rules, memory):
    """First row of a fall-back order that may still be taken, -1 if none will do."""
    stop = rules.fill.starts[order + 1]
    at = memory.cursors[order, 1 if capped else 0]
    untouched = at == memory.cursors[order, 0]
    found = NOTHING
    while at < stop:
        row = rules.fill.rows[at]
        gone = (
            memory.marks[row] == user or not rules.access.masks[rules.access.mask_rows[user], row]
        )
        if not gone and (not capped or fits(row, place, user, rules.caps, memory)):
            found = row
            break
        at += 1
        untouched = untouched and gone
        if untouched:
            memory.cursors[order, 0] = at
    if capped:
        memory.cursors[order, 1] = at
    return found


@compiled
def owed_item(place, user, rules, memory):
    """An item that helps a floor which is not met and exceeds no cap: candidate, row; else -1."""
    best = best_candidate(place, user, True, True, rules, memory)
    if best != NOTHING:
        return best, rules.candidates.items[user, best]
    for floor in range(len(memory.wanting)):
        if memory.wanting[floor]:
            row = first_of(1 + floor, place, user, True, rules, memory)
            if row != NOTHING:
                return NOTHING, row
    return NOTHING, NOTHING


@compiled
def next_item(place, user, rules, memory):
    """Most valuable item that exceeds no cap, or if there is none, that is left: candidate, row.

    An item of the fall-back order that exceeds none comes before a candidate that exceeds one.
    """
    best = best_candidate(place, user, True, False, rules, memory)
    if best != NOTHING:
        return best, rules.candidates.items[user, best]
    row = first_of(0, place, user, True, rules, memory)
    if row != NOTHING:
        return NOTHING, row
    best = best_candidate(place, user, False, False, rules, memory)
    if best != NOTHING:
        return best, rules.candidates.items[user, best]
    return NOTHING, first_of(0, place, user, False, rules, memory)
