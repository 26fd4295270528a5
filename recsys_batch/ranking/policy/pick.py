"""The next item of a list: the best candidate, else the first of the fall-back order."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.caps import fits, helps
from recsys_batch.ranking.policy.jit import compiled

NOTHING = -1


@compiled
def begin(user, candidates, access, starts, memory):
    """Forget the user before; mark what this one must not get."""
    for at in range(access.indptr[user], access.indptr[user + 1]):
        memory.marks[access.indices[at]] = user
    for each in range(len(memory.free)):
        row = candidates.items[user, each]
        memory.free[each] = row >= 0 and candidates.utility[user, each] > -np.inf
        if row >= 0 and not memory.free[each]:
            memory.marks[row] = user
    memory.counts[:] = 0
    memory.shown[:] = 0
    memory.penalty[:] = 0.0
    for order in range(len(memory.cursors)):
        memory.cursors[order, :] = starts[order]


@compiled
def best_candidate(place, user, capped, owing, rules, memory):
    """Place among the candidates of the most valuable free one, -1 if none will do.

    Ties go to the smaller item row. `capped`: it must exceed no cap; `owing`: it must help
    a floor that is not met.
    """
    items, utility = rules.candidates.items[user], rules.candidates.utility[user]
    groups, first, most = rules.caps.groups, rules.caps.first, rules.caps.most[user]
    best, value = NOTHING, -np.inf
    for each in range(len(items)):
        own = utility[each] - memory.penalty[each]
        if not memory.free[each] or own <= value:
            continue
        if capped and not fits(items[each], place, groups, first, most, memory.counts):
            continue
        if owing and not helps(items[each], rules.floors.members, memory.wanting):
            continue
        best, value = each, own
    return best


@compiled
def first_of(order, place, user, capped, rules, memory):
    """First row of a fall-back order that may still be taken, -1 if none will do."""
    caps, fill, cursors = rules.caps, rules.fill, memory.cursors
    mask = rules.access.masks[rules.access.mask_rows[user]]
    at = cursors[order, 1 if capped else 0]
    untouched, found = at == cursors[order, 0], NOTHING
    while at < fill.starts[order + 1] and found == NOTHING:
        row = fill.rows[at]
        gone = memory.marks[row] == user or not mask[row]
        if not gone and (
            not capped or fits(row, place, caps.groups, caps.first, caps.most[user], memory.counts)
        ):
            found = row
        else:
            at += 1
            untouched = untouched and gone
            if untouched:
                cursors[order, 0] = at
    if capped:
        cursors[order, 1] = at
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
    for capped in (True, False):
        best = best_candidate(place, user, capped, False, rules, memory)
        if best != NOTHING:
            return best, rules.candidates.items[user, best]
        row = first_of(0, place, user, capped, rules, memory)
        if row != NOTHING:
            return NOTHING, row
    return NOTHING, NOTHING
