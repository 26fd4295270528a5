"""Lists of a block of users, place after place: pins, what is owed, the best, and draws."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy import likeness
from recsys_batch.ranking.policy.caps import count, helps, owes, show
from recsys_batch.ranking.policy.facts import FILL, FLOOR, PIN, RELEVANCE
from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.order import settle
from recsys_batch.ranking.policy.pick import NOTHING, begin, next_item, owed_item


@compiled
def walk(lists, rules, memory):
    """Fill the lists (users x n, all empty) in place, but for places that are drawn for."""
    for user in range(lists.rows.shape[0]):
        begin(user, rules.candidates, rules.access, rules.fill.starts, memory)
        likeness.begin(user, rules.candidates.items, rules.likeness, memory)
        _pin(user, lists, rules, memory)
        _go(user, lists, rules, memory)


@compiled
def finish(lists):
    """Close up lists that fall short, and turn values into falling scores, in place."""
    for user in range(lists.rows.shape[0]):
        length = _close_up(user, lists)
        settle(lists.values[user], lists.rows[user], lists.why[user], length)


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
    count(row, place, rules.caps.groups, rules.caps.first, memory.counts)


@compiled
def _pin(user, lists, rules, memory):
    pins, n = rules.pins, lists.rows.shape[1]
    mask = rules.access.masks[rules.access.mask_rows[user]]
    for pin in range(len(pins.rows)):
        row, place = np.int64(pins.rows[pin]), pins.places[pin]
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
    rows, floors = lists.rows[user], rules.floors
    for place in range(len(rows)):
        if np.any(rules.caps.first == place):  # what a cap kept out may be taken again
            memory.cursors[:, 1] = memory.cursors[:, 0]
        if rows[place] < 0:
            if np.any(rules.chance.places == place):
                continue
            if not _choose(place, user, lists, rules, memory):
                break
        likeness.note(rows[place], place, user, rules.candidates.items, rules.likeness, memory)
        show(rows[place], place, floors.members, floors.first, memory.shown)


@compiled
def _choose(place, user, lists, rules, memory):
    """Put the best item into an open place; False if nothing is left."""
    likeness.weigh(place, user, rules.candidates, rules.likeness, memory)
    candidate, row = next_item(place, user, rules, memory)
    if row == NOTHING:
        return False
    why = RELEVANCE if candidate != NOTHING else FILL
    following = _next_open(place, lists.rows[user], rules.chance.places)
    owing = owes(place, following, user, lists.rows[user], rules.floors, memory)
    if owing and not helps(row, rules.floors.members, memory.wanting):
        owed, owed_row = owed_item(place, user, rules, memory)
        if owed_row != NOTHING:
            candidate, row, why = owed, owed_row, FLOOR
    _put(candidate, row, place, why, user, lists, rules, memory)
    return True


@compiled
def _next_open(place, rows, drawn):
    following = place + 1
    while following < len(rows) and (rows[following] >= 0 or np.any(drawn == following)):
        following += 1
    return following


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
