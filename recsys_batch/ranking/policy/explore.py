"""Exploration: what each place may be drawn from, and the draw.

The pools are disjoint and settled before anything is drawn, and whatever is drawn exceeds no cap.
So the rest of the list does not depend on chance, and a draw's probability is the item's
propensity.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.facts import EXPLORATION
from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.pick import NOTHING

_PASSED_OVER = -2


@compiled
def is_open(slot, user, lists, rules):
    """Whether a place to be drawn for lies in the list and no pin stands there."""
    place = rules.chance.places[slot]
    return place < lists.rows.shape[1] and lists.rows[user, place] < 0


@compiled
def deal(user, lists, rules, memory):
    """Deal the best of what is left to the open places in turn, as far as the caps have room."""
    chance, utility = rules.chance, rules.candidates.utility
    memory.pools[:] = NOTHING
    slots, turn = len(chance.places), 0
    sizes = np.zeros(slots, dtype=np.int64)
    while True:
        best, value = NOTHING, -np.inf
        for each in range(len(memory.free)):
            if memory.free[each] and memory.pools[each] == NOTHING and utility[user, each] > value:
                best, value = each, utility[user, each]
        if best == NOTHING:
            break
        row, to = rules.candidates.items[user, best], _PASSED_OVER
        for step in range(slots if chance.members[row] else 0):
            slot = (turn + step) % slots
            room = sizes[slot] < chance.pool and is_open(slot, user, lists, rules)
            if room and _reserve(row, slot, user, rules, memory):
                to, turn = slot, slot + 1
                sizes[slot] += 1
                break
        memory.pools[best] = to
        if _all_full(sizes, user, lists, rules):
            break
    for each in range(len(memory.free)):
        if memory.pools[each] >= 0:
            memory.free[each] = False
            memory.marks[rules.candidates.items[user, each]] = user


@compiled
def _all_full(sizes, user, lists, rules):
    for slot in range(len(sizes)):
        if sizes[slot] < rules.chance.pool and is_open(slot, user, lists, rules):
            return False
    return True


@compiled
def _held(cap, group, slot, user, rules, memory):
    """Whether the pool of a place holds an item of a cap's group."""
    for each in range(len(memory.pools)):
        row = rules.candidates.items[user, each]
        if memory.pools[each] == slot and rules.caps.groups[cap, row] == group:
            return True
    return False


@compiled
def _reserve(row, slot, user, rules, memory):
    """Count a group once for each place that may draw from it; False where a cap has no room."""
    caps, place = rules.caps, rules.chance.places[slot]
    for turn in range(2):
        for cap in range(len(caps.first)):
            group = caps.groups[cap, row]
            if (
                group < 0
                or place >= caps.first[cap]
                or _held(cap, group, slot, user, rules, memory)
            ):
                continue
            if turn == 1:
                memory.counts[cap, group] += 1
            elif memory.counts[cap, group] >= caps.most[user, cap]:
                return False
    return True


@compiled
def spare(user, rules, memory):
    """Take the best item out of a pool that keeps another: its candidate, -1 if there is none."""
    sizes = np.zeros(len(rules.chance.places), dtype=np.int64)
    for each in range(len(memory.pools)):
        if memory.pools[each] >= 0:
            sizes[memory.pools[each]] += 1
    best, value = NOTHING, -np.inf
    for each in range(len(memory.pools)):
        slot, own = memory.pools[each], rules.candidates.utility[user, each]
        if slot >= 0 and sizes[slot] > 1 and own > value:
            best, value = each, own
    if best != NOTHING:
        memory.pools[best] = _PASSED_OVER
    return best


@compiled
def draw(slot, user, lists, rules, memory):
    """Draw an item for a place from its pool, and log the probability."""
    chance, utility = rules.chance, rules.candidates.utility[user]
    pool = np.flatnonzero(memory.pools == slot)
    chances = probabilities(
        utility[pool], chance.temperature * rules.candidates.spreads[user], chance.uniform_share
    )
    drawn, reached = len(pool) - 1, 0.0
    for each in range(len(pool)):
        reached += chances[each]
        if chance.draws[user, slot] < reached:
            drawn = each
            break
    place = chance.places[slot]
    lists.rows[user, place] = rules.candidates.items[user, pool[drawn]]
    lists.places[user, place] = pool[drawn]
    lists.values[user, place] = utility[pool[drawn]]
    lists.why[user, place] = EXPLORATION
    lists.propensity[user, place] = chances[drawn]


@compiled
def probabilities(values, temperature, uniform_share):
    """Softmax of values, mixed with the uniform distribution; uniform at temperature 0."""
    uniform = np.full(len(values), 1.0 / len(values))
    if temperature <= 0.0:
        return uniform
    powers = np.exp((values.astype(np.float64) - values.max()) / temperature)
    return (1.0 - uniform_share) * powers / powers.sum() + uniform_share * uniform
