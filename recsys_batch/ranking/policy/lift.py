"""Lists under one floor and no other rule that reorders: the best first, owed members moved up.

A user whose candidates hold too few members gets the first of the fall-back order instead. It is
what `recsys_batch.ranking.policy.walk` would make of them in twenty times the time, for it goes
from place to place: the rules that ship have one floor.
"""

# mypy: allow-untyped-calls
# What is compiled has no types of its own.

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.policy.arranging import Floor
from recsys_batch.ranking.policy.caps import owed
from recsys_batch.ranking.policy.facts import FLOOR, RELEVANCE, Bools, Floats, Rows
from recsys_batch.ranking.policy.order import fill_score
from recsys_batch.ranking.policy.state import Access, Lists
from recsys_batch.ranking.policy.utility import best_places


class Reserve:
    """Members that are nobody's candidates, in the order in which they fill lists.

    Parameters
    ----------
    order
        Item rows.
    items
        Candidates of the users, users x width.
    access
        What each user may be shown.
    """

    def __init__(self, order: Rows, items: Rows, access: Access) -> None:
        self._order, self._items, self._access = order, items, access
        self._marks = np.full(access.masks.shape[1], -1, dtype=np.int32)
        self._left: dict[int, Iterator[int]] = {}

    def take(self, user: int) -> int:
        """The next that the user may be shown and has not been given; -1 if there is none."""
        if user not in self._left:
            access, own = self._access, self._items[user]
            self._marks[own[own >= 0]] = user
            out = slice(access.indptr[user], access.indptr[user + 1])
            self._marks[access.indices[out]] = user
            open_ = access.masks[access.mask_rows[user]][self._order]
            free = open_ & (self._marks[self._order] != user)
            self._left[user] = iter(self._order[free].tolist())
        return next(self._left[user], -1)


def lift(
    items: Rows, utility: Floats, members: Bools, floor: Floor, n: int, *, reserve: Reserve
) -> Lists | None:
    """Make the lists of a block, or None where some user has fewer candidates than n.

    Parameters
    ----------
    items, utility
        Users x width: candidates, and what they are worth; -inf for what must not be shown.
    members
        bool, items: belongs to the floor's group.
    floor
        The rule; its audience is everybody.
    n
        Length of a list.
    reserve
        Members to be put where a user has no candidate left that is one.
    """
    width = items.shape[1]
    order = best_places(utility, width)
    if not 0 < n <= width or np.isneginf(np.take_along_axis(utility, order[:, n - 1 : n], 1)).any():
        return None
    lists = _Order(
        order,
        np.take_along_axis(items, order, axis=1),
        np.take_along_axis(members[items] & ~np.isneginf(utility), order, axis=1),
    )
    why = np.full((len(items), n), RELEVANCE, dtype=np.int8)
    for place in _due(floor, n):
        so_far = lists.belongs[:, : place + 1].sum(axis=1)
        paid = _pay(place, np.flatnonzero(so_far < owed(floor.share, place + 1)), lists, reserve)
        why[paid, place] = FLOOR
    order, rows = lists.places[:, :n], lists.rows[:, :n]
    values = np.take_along_axis(utility, np.maximum(order, 0), axis=1)
    return Lists(
        rows=rows,
        places=order,
        values=_falling(np.where(order < 0, np.float32(-np.inf), values), rows, why),
        why=why,
        propensity=np.ones(order.shape, dtype=np.float32),
    )


class _Order(NamedTuple):
    """Users x width, best first."""

    places: Rows  # among the candidates; -1: it is none of them
    rows: Rows
    belongs: Bools


def _pay(
    place: int, short: npt.NDArray[np.intp], lists: _Order, reserve: Reserve
) -> npt.NDArray[np.intp]:
    """Put the next member at a place of some users' lists, in place; return who got one."""
    later = lists.belongs[short]
    later[:, : place + 1] = False
    has = np.asarray(later.any(axis=1), dtype=np.bool_)
    put = [-1 if own else reserve.take(int(user)) for user, own in zip(short, has, strict=True)]
    given = np.array(put, dtype=np.int32)
    able = has | (given >= 0)
    short, has, given, later = short[able], has[able], given[able], later[able]
    slots = np.arange(later.shape[1])
    found = np.where(has, later.argmax(axis=1), slots[-1])[:, None]
    moved = np.where((slots > place) & (slots <= found), slots - 1, slots)
    moved[:, place] = found[:, 0]
    for array in lists:
        array[short] = np.take_along_axis(array[short], moved, axis=1)
    new = short[~has]
    lists.places[new, place], lists.rows[new, place] = -1, given[~has]
    lists.belongs[new, place] = True
    return short


def _due(floor: Floor, n: int) -> list[int]:
    """Places, from 0, by which one member more is owed."""
    owing = [owed(floor.share, length) for length in range(min(n, floor.first or n) + 1)]
    return [place for place in range(len(owing) - 1) if owing[place + 1] > owing[place]]


def _falling(values: Floats, rows: Rows, why: npt.NDArray[np.int8]) -> Floats:
    """Raise whatever stands above something better to the least score that keeps it there.

    What stands last and has no value gets that of an item of the fall-back order.
    """
    for user in np.flatnonzero(np.isneginf(values[:, -1])):
        relevant = values[user, why[user] == RELEVANCE]
        last = relevant[-1] if len(relevant) else np.float32(-np.inf)
        values[user, -1] = fill_score(last, 0, values.shape[1])
    for at in range(values.shape[1] - 2, -1, -1):
        above, below = values[:, at], values[:, at + 1]
        wrong = (above < below) | ((above == below) & (rows[:, at] > rows[:, at + 1]))
        values[wrong, at] = np.nextafter(below[wrong], np.float32(np.inf))
    return values
