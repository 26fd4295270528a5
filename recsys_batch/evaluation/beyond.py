"""What lists are worth beyond hits: novelty, diversity by category, serendipity.

Each function returns one number a user over the first k of the list; a user with an empty list
has no novelty and no diversity (NaN).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys_batch.evaluation.lists import Bools, Floats, Ints, Lists

Numbers: TypeAlias = NDArray[np.integer[Any] | np.floating[Any]]


def self_information(popularity: Numbers, *, total: float | None = None) -> Floats:
    """Return ``-log2(popularity / total)`` of each item, in bits.

    Parameters
    ----------
    popularity
        Users (or weight) of each item in the training data.
    total
        What makes popularity a probability: with the number of training users the mean over a
        list is RecTools' ``MeanInvUserFreq`` (Zhou et al. 2010). By default the sum of
        `popularity`.

    Notes
    -----
    An item nobody has is taken as had by one user (or by the smallest weight, if below one).
    """
    counts = np.asarray(popularity, dtype=np.float64)
    positive = counts[counts > 0]
    if not positive.size:
        return np.zeros(len(counts))
    whole = float(counts.sum()) if total is None else total
    return -np.log2(np.where(counts > 0, counts, min(1.0, positive.min())) / whole)


def popularity_chance(popularity: Numbers) -> Floats:
    """Return ``(n + 1 - r) / n`` for the item of the r-th highest popularity, 0 for one nobody has.

    Items of equal popularity share a rank, and ranks have no gaps (RecTools' ``Serendipity``).
    """
    counts = np.asarray(popularity)
    ascending, place = np.unique(counts, return_inverse=True)
    rank = len(ascending) - place
    return np.where(counts > 0, (len(counts) + 1.0 - rank) / max(1, len(counts)), 0.0)


def novelty(items: Lists, information: Floats, *, k: int) -> Floats:
    """Mean `self_information` of the first k items of each list, in bits."""
    top = items[:, :k]
    shown = top >= 0
    return _mean(np.where(shown, np.append(information, 0.0)[top], 0.0), shown)


def diversity(items: Lists, categories: NDArray[np.integer[Any]], *, k: int) -> Floats:
    """Share of the pairs among the first k items that differ in category (intra-list diversity).

    Parameters
    ----------
    items
        Item rows, users x width, padded with -1.
    categories
        Category code of each item. Items of unknown category, all negative codes, count as one
        category, so that missing data never look diverse.
    k
        Depth.

    Notes
    -----
    0 for a single item. RecTools' ``IntraListDiversity`` with Hamming distance on one feature.
    """
    top = items[:, :k]
    shown = top >= 0
    size = shown.sum(axis=1)
    known = np.maximum(np.append(categories, -1), -1).astype(np.int64)
    # Padding takes codes of its own, so that it pairs with nothing.
    padding = -2 - np.arange(top.shape[1])
    codes = np.sort(np.where(shown, known[top], padding), axis=1)
    column = np.arange(top.shape[1])
    starts = np.ones(codes.shape, dtype=np.bool_)
    starts[:, 1:] = codes[:, 1:] != codes[:, :-1]
    run = np.maximum.accumulate(np.where(starts, column, 0), axis=1)
    alike = (column - run).sum(axis=1)
    pairs = size * (size - 1) / 2
    different = 1.0 - np.divide(alike, pairs, out=np.ones(len(size)), where=pairs > 0)
    return np.where(size > 0, different, np.nan)


def serendipity(items: Lists, hits: Bools, relevant: Ints, chance: Floats, *, k: int) -> Floats:
    """Mean over the first k of hits a popularity list would have ranked lower.

    An item at rank r of n in the catalogue counts ``max(0, (n + 1 - r) / n - chance)`` if relevant,
    where `chance` is its `popularity_chance` (RecTools' ``Serendipity``). NaN for users without
    relevant items, 0 for an empty list.
    """
    top = items[:, :k]
    n = max(1, len(chance))
    own = (n + 1.0 - np.arange(1, top.shape[1] + 1)) / n
    surprise = np.maximum(own - np.append(chance, 0.0)[top], 0.0) * hits[:, :k]
    return np.where(relevant > 0, np.nan_to_num(_mean(surprise, top >= 0)), np.nan)


def _mean(values: Floats, shown: Bools) -> Floats:
    size = shown.sum(axis=1)
    out = np.full(len(size), np.nan)
    np.divide(values.sum(axis=1), size, out=out, where=size > 0)
    return out
