"""Whether lists hold what users did next: precision, recall, NDCG, MAP, MRR and hit rate.

Each function takes the hits of some users (``users x width``, rank order) and returns one number
a user. Definitions are those of RecTools 0.19 (`rectools.metrics`), and equal to it. A user
without relevant items has no value (NaN); one with relevant items and an empty list has zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from recsys_batch.evaluation.lists import Bools, Floats, Ints, Lists, Truth, blocks

Divisor: TypeAlias = Literal["relevant", "achievable"]
Metric: TypeAlias = Callable[[Bools, Ints], Floats]


def precision(hits: Bools, relevant: Ints, *, k: int) -> Floats:
    """Hits among the first k, over k (also where the list is shorter)."""
    return _where_relevant(hits[:, :k].sum(axis=1) / k, relevant)


def recall(hits: Bools, relevant: Ints, *, k: int) -> Floats:
    """Hits among the first k, over all relevant items (which may be more than k)."""
    return _over(hits[:, :k].sum(axis=1), relevant)


def hit_rate(hits: Bools, relevant: Ints, *, k: int) -> Floats:
    """One where any of the first k is relevant, else zero."""
    return _where_relevant(np.asarray(hits[:, :k].any(axis=1)), relevant)


def reciprocal_rank(hits: Bools, relevant: Ints, *, k: int) -> Floats:
    """One over the rank of the first hit among the first k, zero without one (MRR's term)."""
    top = hits[:, :k]
    if not top.shape[1]:
        return _where_relevant(np.zeros(len(top)), relevant)
    return _where_relevant(top.any(axis=1) / (top.argmax(axis=1) + 1.0), relevant)


def ndcg(hits: Bools, relevant: Ints, *, k: int) -> Floats:
    """Binary gain over log2(rank + 1), divided by that of a perfect list.

    The perfect list has min(k, relevant) hits on top, so 1 can always be reached
    (Järvelin and Kekäläinen 2002; RecTools' ``NDCG(divide_by_achievable=True)``).
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([0.0], np.cumsum(discount)))[np.minimum(relevant, k)]
    top = hits[:, :k]
    return _over(top @ discount[: top.shape[1]], ideal)


def average_precision(
    hits: Bools, relevant: Ints, *, k: int, divisor: Divisor = "relevant"
) -> Floats:
    """Sum of precision at the rank of each hit among the first k, normalised (MAP's term).

    Parameters
    ----------
    hits, relevant, k
        As in every function of this module.
    divisor
        ``relevant`` divides by the number of relevant items, as RecTools' ``MAP`` does: with more
        than k of them 1 cannot be reached. ``achievable`` divides by min(k, relevant). The two
        are the same for users with at most k relevant items.
    """
    top = hits[:, :k]
    ranks = np.arange(1, top.shape[1] + 1)
    summed = (np.cumsum(top, axis=1) / ranks * top).sum(axis=1)
    return _over(summed, relevant if divisor == "relevant" else np.minimum(relevant, k))


def accuracy_metrics(*, k: int, recall_k: int) -> dict[str, Metric]:
    """Return the metrics of this module by name, at their depths."""
    return {
        "precision": partial(precision, k=k),
        "recall": partial(recall, k=recall_k),
        "ndcg": partial(ndcg, k=k),
        "map": partial(average_precision, k=k),
        "mrr": partial(reciprocal_rank, k=k),
        "hit_rate": partial(hit_rate, k=k),
    }


def accuracy(lists: Lists, truth: Truth, *, k: int, recall_k: int) -> dict[str, Floats]:
    """Compute every metric of this module for every user.

    Parameters
    ----------
    lists
        Item rows, users x width, rank order, padded with -1.
    truth
        Relevant items of the hold-out, CSR users x items, same user order.
    k
        Depth of every metric but recall.
    recall_k
        Depth of recall.

    Returns
    -------
    dict of str to array
        One float64 array over users each: precision, recall, ndcg, map, mrr, hit_rate.

    Raises
    ------
    ContractError
        The lists or the hold-out are malformed (see `recsys_batch.evaluation.lists.blocks`).
    """
    metrics = accuracy_metrics(k=k, recall_k=recall_k)
    values = {name: np.full(lists.shape[0], np.nan) for name in metrics}
    for block in blocks(lists, truth):
        for name, metric in metrics.items():
            values[name][block.rows] = metric(block.hits, block.relevant)
    return values


def _over(summed: Floats | Ints, divisor: Floats | Ints) -> Floats:
    out = np.full(len(divisor), np.nan)
    np.divide(summed, divisor, out=out, where=divisor > 0)
    return out


def _where_relevant(values: Floats | Bools, relevant: Ints) -> Floats:
    return np.where(relevant > 0, values, np.nan)
