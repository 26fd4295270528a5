"""Exploration: what each place may be drawn from, and the draw.

The pools are disjoint and settled before anything is drawn, and whatever is drawn exceeds no cap.
So the rest of the list does not depend on chance, and a draw's probability is the item's
propensity.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.caps import count
from recsys_batch.ranking.policy.facts import EXPLORATION, FILL, RELEVANCE
from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.pick import NOTHING, begin, next_item

_PASSED_OVER = -2


@compiled
def explore(lists, rules, memory):
    """Draw for the open places of lists that have everything else, in place.

    A place without a pool gets what is best outside the pools.
    """
    candidates, caps, chance = rules.candidates, rules.caps, rules.chance
    for user in range(lists.rows.shape[0]):
        begin(user, candidates, rules.access, rules.fill.starts, memory)
        rows, places = lists.rows[user], lists.places[user]
        for place in range(len(rows)):
            if rows[place] >= 0:
                memory.marks[rows[place]] = user
                count(rows[place], place, caps.groups, caps.first, memory.counts)
                if places[place] != NOTHING:
                    memory.free[places[place]] = False
        sizes = np.where(_are_open(chance.places, rows), 0, chance.pool)
        _deal(user, sizes, candidates, caps, chance, memory)
        _go_without(user, lists, rules, memory)
        for slot in range(len(chance.places)):
            if chance.places[slot] < len(rows) and rows[chance.places[slot]] < 0:
                pool = np.flatnonzero(memory.pools == slot)
                if len(pool):
                    _draw(user, slot, pool, candidates, chance, lists)


@compiled
def _are_open(places, rows):
    """Whether each place lies in the list and no pin stands there."""
    out = np.zeros(len(places), dtype=np.bool_)
    for slot in range(len(places)):
        out[slot] = places[slot] < len(rows) and rows[places[slot]] < 0
    return out


@compiled
def _deal(user, sizes, candidates, caps, chance, memory):
    """Deal the best of what is left to the places in turn, as far as the caps have room.

    `sizes` are those of the pools; one that is full from the start gets nothing.
    """
    pools, items, utility = memory.pools, candidates.items[user], candidates.utility[user]
    pools[:] = NOTHING
    turn, slots = 0, len(sizes)
    while sizes.min() < chance.pool:
        best, value = NOTHING, -np.inf
        for each in range(len(pools)):
            if memory.free[each] and pools[each] == NOTHING and utility[each] > value:
                best, value = each, utility[each]
        if best == NOTHING:
            break
        pools[best] = _PASSED_OVER
        for step in range(slots if chance.members[items[best]] else 0):
            slot = (turn + step) % slots
            if sizes[slot] < chance.pool and _reserve(
                best, slot, chance.places[slot], pools, items, caps, caps.most[user], memory.counts
            ):
                pools[best], turn = slot, slot + 1
                sizes[slot] += 1
                break
    for each in range(len(pools)):
        if pools[each] >= 0:
            memory.free[each] = False
            memory.marks[items[each]] = user


@compiled
def _reserve(best, slot, place, pools, items, caps, most, counts):
    """Count a group once for each place that may draw from it; False where a cap has no room."""
    for turn in range(2):
        for cap in range(len(caps.first)):
            groups = caps.groups[cap]
            group = groups[items[best]]
            if group < 0 or place >= caps.first[cap] or _held(group, slot, pools, items, groups):
                continue
            if turn == 1:
                counts[cap, group] += 1
            elif counts[cap, group] >= most[cap]:
                return False
    return True


@compiled
def _held(group, slot, pools, items, groups):
    """Whether the pool of a place holds an item of a group."""
    found = False
    for each in range(len(pools)):
        found = found or (pools[each] == slot and groups[items[each]] == group)
    return found


@compiled
def _go_without(user, lists, rules, memory):
    """Put what is best outside the pools into places that have none, else spare a pool's best."""
    for slot in range(len(rules.chance.places)):
        place = rules.chance.places[slot]
        if place >= lists.rows.shape[1] or lists.rows[user, place] >= 0:
            continue
        if np.any(memory.pools == slot):
            continue
        candidate, row = next_item(place, user, rules, memory)
        if row == NOTHING:
            candidate = _spare(memory.pools, rules.candidates.utility[user])
            if candidate == NOTHING:
                continue
            row = rules.candidates.items[user, candidate]
        lists.rows[user, place], lists.places[user, place] = row, candidate
        lists.propensity[user, place] = 1.0
        lists.why[user, place] = RELEVANCE if candidate != NOTHING else FILL
        memory.marks[row] = user
        count(row, place, rules.caps.groups, rules.caps.first, memory.counts)
        if candidate != NOTHING:
            lists.values[user, place] = rules.candidates.utility[user, candidate]
            memory.free[candidate] = False


@compiled
def _spare(pools, utility):
    """Take the best item out of a pool that keeps another: its candidate, -1 if there is none."""
    best, value = NOTHING, -np.inf
    for each in range(len(pools)):
        if pools[each] >= 0 and utility[each] > value and np.sum(pools == pools[each]) > 1:
            best, value = each, utility[each]
    if best != NOTHING:
        pools[best] = _PASSED_OVER
    return best


@compiled
def _draw(user, slot, pool, candidates, chance, lists):
    """Draw an item for a place from its pool, and log the probability."""
    values = candidates.utility[user][pool].astype(np.float64)
    temperature = chance.temperature * candidates.spreads[user]
    chances = probabilities(values, temperature, chance.uniform_share)
    drawn, reached = 0, chances[0]
    while chance.draws[user, slot] >= reached and drawn + 1 < len(pool):
        drawn += 1
        reached += chances[drawn]
    place = chance.places[slot]
    lists.rows[user, place] = candidates.items[user, pool[drawn]]
    lists.places[user, place] = pool[drawn]
    lists.values[user, place] = values[drawn]
    lists.why[user, place] = EXPLORATION
    lists.propensity[user, place] = chances[drawn]


@compiled
def probabilities(values, temperature, uniform_share):
    """Softmax of values, mixed with the uniform distribution; uniform at temperature 0."""
    chances = np.full(len(values), 1.0 / len(values))
    if temperature > 0.0:
        powers = np.exp((values - values.max()) / temperature)
        chances = (1.0 - uniform_share) * powers / powers.sum() + uniform_share * chances
    return chances
