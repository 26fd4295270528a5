"""Ties between candidates and what a user has, added up in one pass over co-occurrences.

Of every tie five numbers are kept: the sum, the sum of squares, and the three greatest.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.jit import compiled

ITEM_TIES = ("cosine", "jaccard", "conditional probability", "damped cosine")
USER_TIES = ("cosine", "damped cosine", "jaccard")
_FIRST_USER_TIE = len(ITEM_TIES)


@compiled
def _add(kept, tie):
    kept[0] += tie
    kept[1] += tie * tie
    if tie > kept[2]:
        kept[4], kept[3], kept[2] = kept[3], kept[2], tie
    elif tie > kept[3]:
        kept[4], kept[3] = kept[3], tie
    elif tie > kept[4]:
        kept[4] = tie


@compiled
def _place(items, place):
    """Note the column of each item; what -1 stands for has none."""
    for column in range(len(items)):
        if items[column] >= 0:
            place[items[column]] = column


@compiled
def _meet(items, first, last, place, cells, columns):
    """Gather the cells from `first` to `last` whose items have columns; return how many there are.

    It writes each and goes on only where there is one: branches that nobody can foresee would take
    more time than all that is done with what is found.
    """
    found = 0
    for cell in range(first, last):
        column = place[items[cell]]
        cells[found] = cell
        columns[found] = column
        found += column >= 0
    return found


@compiled
def add_item_ties(
    rows, items, user_ptr, user_items, gram_ptr, gram_items, shared, damped, popularity, counts, out
):
    """Tie each candidate to the user's own items by the users that they share.

    Parameters
    ----------
    rows, items
        User rows, and their candidates, users x width, -1 where there is none.
    user_ptr, user_items
        CSR of the interactions by user.
    gram_ptr, gram_items, shared, damped
        CSR of shared users by item, with two values a cell.
    popularity
        Users of each item.
    counts, out
        Added to: users x width x 2, its first; users x width x ties x 5, its first ties.
    """
    place = np.full(len(popularity), -1, dtype=np.int32)
    cells = np.empty(len(popularity) + 1, dtype=np.int64)
    columns = np.empty(len(popularity) + 1, dtype=np.int32)
    for user in range(len(rows)):
        _place(items[user], place)
        for entry in range(user_ptr[rows[user]], user_ptr[rows[user] + 1]):
            own = user_items[entry]
            met = _meet(gram_items, gram_ptr[own], gram_ptr[own + 1], place, cells, columns)
            for at in range(met):
                cell, column = cells[at], columns[at]
                other = gram_items[cell]
                if other == own:
                    continue
                both = shared[cell]
                root = np.sqrt(popularity[own] * popularity[other])
                kept = out[user, column]
                counts[user, column, 0] += np.float32(1)
                _add(kept[0], both / root)
                _add(kept[1], both / (popularity[own] + popularity[other] - both))
                _add(kept[2], both / popularity[own])
                _add(kept[3], damped[cell] / root)
        for item in items[user]:
            if item >= 0:
                place[item] = -1


@compiled
def _overlap(user, user_ptr, user_items, item_ptr, item_users, popularity, both, damped, met):
    """Items shared with every other user, plain and damped; returns how many users were met."""
    count = 0
    for entry in range(user_ptr[user], user_ptr[user + 1]):
        own = user_items[entry]
        part = np.float32(1) / np.sqrt(popularity[own])
        for cell in range(item_ptr[own], item_ptr[own + 1]):
            other = item_users[cell]
            if other == user:
                continue
            if both[other] == 0:
                met[count] = other
                count += 1
            both[other] += np.float32(1)
            damped[other] += part
    return count


@compiled
def add_user_ties(
    rows, items, user_ptr, user_items, item_ptr, item_users, activity, popularity, counts, out
):
    """Tie each candidate to the user by the users who have it and share items with the user.

    Parameters
    ----------
    rows, items, user_ptr, user_items, popularity, counts, out
        As in `add_item_ties`; the second of the counts and the last ties are added to.
    item_ptr, item_users
        CSR of the interactions by item.
    activity
        Interactions of each user.
    """
    place = np.full(len(popularity), -1, dtype=np.int32)
    both = np.zeros(len(activity), dtype=np.float32)
    damped = np.zeros(len(activity), dtype=np.float32)
    met = np.empty(len(activity), dtype=np.int64)
    cells = np.empty(len(popularity) + 1, dtype=np.int64)
    columns = np.empty(len(popularity) + 1, dtype=np.int32)
    for user in range(len(rows)):
        _place(items[user], place)
        row = rows[user]
        found = _overlap(
            row, user_ptr, user_items, item_ptr, item_users, popularity, both, damped, met
        )
        for other in met[:found]:
            cosine = both[other] / np.sqrt(activity[row] * activity[other])
            weighed = damped[other] / np.sqrt(activity[other])
            jaccard = both[other] / (activity[row] + activity[other] - both[other])
            held = _meet(user_items, user_ptr[other], user_ptr[other + 1], place, cells, columns)
            for column in columns[:held]:
                kept = out[user, column]
                counts[user, column, 1] += np.float32(1)
                _add(kept[_FIRST_USER_TIE], cosine)
                _add(kept[_FIRST_USER_TIE + 1], weighed)
                _add(kept[_FIRST_USER_TIE + 2], jaccard)
            both[other] = damped[other] = np.float32(0)
        for item in items[user]:
            if item >= 0:
                place[item] = -1
