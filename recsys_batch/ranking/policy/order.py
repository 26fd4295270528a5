"""Scores that fall along a list, whatever order the rules put it in."""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.policy.facts import FILL, RELEVANCE
from recsys_batch.ranking.policy.jit import compiled

_UP, _DOWN = np.float32(np.inf), np.float32(-np.inf)


@compiled
def before(score, row, next_score, next_row):
    """Whether an item precedes another in the total order: score falling, then row rising."""
    return score > next_score or (score == next_score and row < next_row)


@compiled
def fill_score(last, put_in, n):
    """Score of an item of the fall-back order, behind `put_in` others of them.

    The first scores the greatest whole number that is 1 or more below `last`, the score before the
    first of them (-inf: 1), and every further item 1/n less.
    """
    first = 1.0 if last == _DOWN else np.floor(np.float64(last)) - 1.0
    return np.float32(first - put_in / n)


@compiled
def lower(values, rows, why, length):
    """Lower relevant and filling items to less than what precedes them of their kind, in place.

    Items that a rule put higher than their value are lowered likewise but lower nothing.
    """
    last, last_row, basis, put_in = _DOWN, -1, _DOWN, 0
    for at in range(length):
        if why[at] == FILL:
            basis = last if put_in == 0 else basis
            values[at] = fill_score(basis, put_in, len(rows))
            put_in += 1
        if last != _DOWN and not before(last, last_row, values[at], rows[at]):
            values[at] = np.nextafter(last, _DOWN)
        if why[at] == FILL or why[at] == RELEVANCE:
            last, last_row = values[at], rows[at]
    return last


@compiled
def settle(values, rows, why, length):
    """Turn the values of a list's items into scores that put them in this order, in place.

    Relevant and filling items keep their values or are lowered; a pin, an item of a floor or one
    drawn by chance that stands above something better gets the least score that keeps it there, and
    so does whatever it is pushed into.
    """
    last = lower(values, rows, why, length)
    for at in range(length - 1, -1, -1):
        if at == length - 1:
            if values[at] == _DOWN:
                values[at] = fill_score(last, 0, len(rows))
        elif not before(values[at], rows[at], values[at + 1], rows[at + 1]):
            values[at] = np.nextafter(values[at + 1], _UP)
