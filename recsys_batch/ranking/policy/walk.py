"""Lists of a block of users, place after place: pins, what is owed, the best, and draws."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy import likeness
from recsys_batch.ranking.policy.caps import count, helps, loosens, owes, show
from recsys_batch.ranking.policy.explore import deal, draw, is_open, spare
from recsys_batch.ranking.policy.facts import FILL, FLOOR, PIN, RELEVANCE
from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.order import settle
from recsys_batch.ranking.policy.pick import NOTHING, next_item, owed_item


@compiled
def walk(lists, rules, memory):
    """Fill the lists (users x n, all empty) and their values, in place."""
    for user in range(lists.rows.shape[0]):
        _begin(user, rules, memory)
        _pin(user, lists, rules, memory)
        _go(user, lists, rules, memory)
        if len(rules.chance.places):
            _explore(user, lists, rules, memory)
        length = _close_up(user, lists)
        settle(lists.values[user], lists.rows[user], lists.why[user], length)


@compiled
def _begin(user, rules, memory):
    candidates, access = rules.candidates, rules.access
    for at in range(access.indptr[user], access.indptr[user + 1]):
        memory.marks[access.indices[at]] = user
    for each in range(len(memory.free)):
        row = candidates.items[user, each]
        memory.free[each] = row >= 0 and candidates.utility[user, each] > -np.inf
        if row >= 0 and not memory.free[each]:
            memory.marks[row] = user
    memory.counts[:] = 0
    memory.shown[:] = 0
    for order in range(len(memory.cursors)):
        memory.cursors[order, :] = rules.fill.starts[order]
    likeness.begin(user, rules, memory)


@compiled
def _put(candidate, row, place, why, user, lists, rules, memory):
    """Put an item into a place; it is taken from then on, and the caps know."""
    lists.rows[user, place] = row
    lists.places[user, place] = candidate
    lists.why[user, place] = why
    lists.propensity[user, place] = 1.0
    memory.marks[row] = user
    if candidate != NOTHING:
        own = rules.candidates.utility[user, candidate] - memory.penalty[candidate]
        lists.values[user, place] = own
        memory.free[candidate] = False
    count(row, place, rules.caps, memory)


@compiled
def _pin(user, lists, rules, memory):
    pins, n = rules.pins, lists.rows.shape[1]
    mask = rules.access.masks[rules.access.mask_rows[user]]
    for pin in range(len(pins.rows)):
        row, place = pins.rows[pin], pins.places[pin]
        if not pins.active[user, pin] or not mask[row] or memory.marks[row] == user:
            continue
        while place < n and lists.rows[user, place] >= 0:
            place += 1
        if place < n:
            items = rules.candidates.items[user]
            width = np.sum(items >= 0)
            at = np.searchsorted(items[:width], row)
            found = at if at < width and items[at] == row else NOTHING
            _put(found, row, place, PIN, user, lists, rules, memory)


@compiled
def _go(user, lists, rules, memory):
    """Walk down the places that are neither pinned nor drawn for."""
    n, slot, chance = lists.rows.shape[1], 0, rules.chance
    for place in range(n):
        if loosens(place, rules.caps):
            memory.cursors[:, 1] = memory.cursors[:, 0]
        while slot < len(chance.places) and chance.places[slot] < place:
            slot += 1
        if lists.rows[user, place] < 0:
            if slot < len(chance.places) and chance.places[slot] == place:
                continue
            if not _choose(place, user, lists, rules, memory):
                break
        likeness.note(lists.rows[user, place], place, user, rules, memory)
        show(lists.rows[user, place], place, rules.floors, memory)


@compiled
def _choose(place, user, lists, rules, memory):
    """Put the best item into an open place; False if nothing is left."""
    likeness.weigh(place, user, rules, memory)
    candidate, row = next_item(place, user, rules, memory)
    if row == NOTHING:
        return False
    why = RELEVANCE if candidate != NOTHING else FILL
    following = _next_open(place, user, lists, rules)
    owing = owes(place, following, user, lists.rows[user], rules.floors, memory)
    if owing and not helps(row, rules.floors, memory):
        owed, owed_row = owed_item(place, user, rules, memory)
        if owed_row != NOTHING:
            candidate, row, why = owed, owed_row, FLOOR
    _put(candidate, row, place, why, user, lists, rules, memory)
    return True


@compiled
def _next_open(place, user, lists, rules):
    following = place + 1
    while following < lists.rows.shape[1]:
        drawn = False
        for slot in range(len(rules.chance.places)):
            drawn = drawn or rules.chance.places[slot] == following
        if lists.rows[user, following] < 0 and not drawn:
            break
        following += 1
    return following


@compiled
def _explore(user, lists, rules, memory):
    """Draw for the places that have a pool; the others get what is best outside the pools."""
    deal(user, lists, rules, memory)
    memory.penalty[:] = 0.0
    memory.cursors[:, 1] = memory.cursors[:, 0]
    for slot in range(len(rules.chance.places)):
        if is_open(slot, user, lists, rules) and not np.any(memory.pools == slot):
            place = rules.chance.places[slot]
            candidate, row = next_item(place, user, rules, memory)
            if row == NOTHING:
                candidate = spare(user, rules, memory)
                if candidate == NOTHING:
                    continue
                row = rules.candidates.items[user, candidate]
            why = RELEVANCE if candidate != NOTHING else FILL
            _put(candidate, row, place, why, user, lists, rules, memory)
    for slot in range(len(rules.chance.places)):
        if is_open(slot, user, lists, rules) and np.any(memory.pools == slot):
            draw(slot, user, lists, rules, memory)


@compiled
def _close_up(user, lists):
    """Move what stands behind an empty place up; return the length of the list."""
    length = 0
    for place in range(lists.rows.shape[1]):
        if lists.rows[user, place] < 0:
            continue
        if place > length:
            for each in (lists.rows, lists.places):
                each[user, length] = each[user, place]
                each[user, place] = -1
            lists.values[user, length] = lists.values[user, place]
            lists.values[user, place] = -np.inf
            lists.why[user, length] = lists.why[user, place]
            lists.why[user, place] = 0
            lists.propensity[user, length] = lists.propensity[user, place]
            lists.propensity[user, place] = 0.0
        length += 1
    return length
