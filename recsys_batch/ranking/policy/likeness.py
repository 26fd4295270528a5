"""Diversity: what an item loses by the items that already stand in the list."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.jit import compiled
from recsys_batch.ranking.policy.state import CALIBRATION, CATEGORIES, NO_LIKENESS, VECTORS


@compiled
def begin(user, items, likeness, memory):
    """Forget the user before, and gather the candidates' vectors."""
    memory.nearest[:] = 0.0
    memory.spread[:] = 0
    if likeness.method == VECTORS:
        for place in range(items.shape[1]):
            if memory.free[place]:
                for axis in range(likeness.vectors.shape[1]):
                    memory.local[axis, place] = likeness.vectors[items[user, place], axis]


@compiled
def note(row, place, user, items, likeness, memory):
    """Take notice of an item that stands at a place."""
    if likeness.method == NO_LIKENESS or place >= likeness.first:
        return
    code = likeness.codes[row]
    if likeness.method == CALIBRATION:
        memory.spread[-1] += 1
        if code >= 0:
            memory.spread[code] += 1
    elif likeness.method == CATEGORIES:
        if code >= 0:
            for each in range(len(memory.free)):
                own = likeness.codes[items[user, each]]
                if memory.free[each] and own == code:
                    memory.nearest[each] = np.float32(1.0)
    else:
        _approach(likeness.vectors[row], memory.local, memory.nearest)


@compiled
def _approach(vector, local, nearest):
    cosines = np.zeros(len(nearest), dtype=np.float32)
    for axis in range(len(vector)):
        for each in range(len(nearest)):
            cosines[each] += vector[axis] * local[axis, each]
    for each in range(len(nearest)):
        nearest[each] = max(nearest[each], min(cosines[each], np.float32(1.0)))


@compiled
def weigh(place, user, candidates, likeness, memory):
    """Set what each free candidate would lose at a place.

    Maximal marginal relevance takes ``w * nearest`` off ``(1 - w) * relevance``, calibration
    ``w * KL`` (less that of the best category), with relevance scaled to the unit interval over
    the user's candidates. Here both are divided by ``1 - w`` and scaled back.
    """
    if likeness.method == NO_LIKENESS:
        return
    if place >= likeness.first:
        memory.penalty[:] = 0.0
        return
    scale = likeness.factor * candidates.spans[user]
    if likeness.method == CALIBRATION:
        _calibrate(scale, candidates.items[user], likeness, likeness.tastes[user], memory)
    else:
        for each in range(len(memory.free)):
            memory.penalty[each] = scale * memory.nearest[each]


@compiled
def _calibrate(scale, items, likeness, tastes, memory):
    length = memory.spread[-1] + 1.0
    gains = np.zeros(len(tastes))
    least = 0.0
    for code in range(len(tastes)):
        if tastes[code] > 0.0:
            held = memory.spread[code]
            before = _divergence(tastes[code], held / length, likeness.smoothing)
            after = _divergence(tastes[code], (held + 1.0) / length, likeness.smoothing)
            gains[code] = after - before
            least = min(least, gains[code])
    for each in range(len(memory.free)):
        if memory.free[each]:
            code = likeness.codes[items[each]]
            gain = gains[code] if code >= 0 else 0.0
            memory.penalty[each] = scale * (gain - least)


@compiled
def _divergence(target, share, smoothing):
    return target * np.log(target / ((1.0 - smoothing) * share + smoothing * target))
