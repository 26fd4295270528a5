"""How lists spread over the catalogue: coverage, Gini and entropy of exposure.

Exposure of an item is the number of users in whose first k it stands. These are properties of
all lists together, so they have no value a user.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse, special

from recsys_batch.evaluation.intervals import Interval
from recsys_batch.evaluation.lists import BLOCK_CELLS, Floats, Ints, Lists

_RARE = 10  # an item in more lists than this is lost by a resample with probability below 5e-5


def exposures(lists: Lists, *, k: int, n_items: int) -> Ints:
    """Count in how many users' first k each item of the catalogue stands."""
    counts = np.zeros(n_items, dtype=np.int64)
    step = max(1, BLOCK_CELLS // max(1, min(k, lists.shape[1])))
    for start in range(0, lists.shape[0], step):
        top = lists[start : start + step, :k]
        counts += np.bincount(top[top >= 0], minlength=n_items)
    return counts


def coverage(counts: Ints) -> float:
    """Share of the catalogue that stands in at least one list; NaN for an empty catalogue."""
    return float((counts > 0).mean()) if len(counts) else float("nan")


def gini(counts: Ints) -> float:
    """Gini index of exposure over the whole catalogue: 0 for equal shares, towards 1 for few items.

    ``sum_i (2i - n - 1) x_i / (n sum_i x_i)`` with x ascending, items never shown included
    (Shani and Gunawardana 2011, "Evaluating recommendation systems"). NaN where nothing is shown.
    """
    n, total = len(counts), int(counts.sum())
    if not total:
        return float("nan")
    weights = 2.0 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(counts) / (n * total))


def entropy(counts: Ints) -> float:
    """Shannon entropy of exposure in bits: at most log2 of the catalogue's size.

    NaN where nothing is shown.
    """
    total = int(counts.sum())
    if not total:
        return float("nan")
    return float(special.entr(counts / total).sum() / np.log(2.0))


def coverage_interval(lists: Lists, counts: Ints, *, k: int, confidence: float) -> Interval:
    """Coverage, give or take the standard error of a Poisson bootstrap over users.

    A resample of users loses items that few lists hold and finds none, so the percentiles of
    resampled coverage lie below the value; its spread is still the spread due to the users drawn.
    With Poisson(1) weights it needs no resampling: item i is lost with probability
    ``exp(-n_i)``, items i and j together with ``exp(-n_i - n_j + n_ij)``.
    """
    value = coverage(counts)
    if not counts.any():
        return Interval(value, value, value)
    together = _rare_pairs(lists, counts, k=k).tocoo()
    apart = counts[together.row] + counts[together.col]
    variance = (np.exp(together.data - apart) - np.exp(-apart)).sum() / len(counts) ** 2
    margin = float(special.ndtri(0.5 + confidence / 2) * np.sqrt(variance))
    return Interval(value, max(0.0, value - margin), min(1.0, value + margin))


def _rare_pairs(lists: Lists, counts: Ints, *, k: int) -> sparse.csr_array[np.float64]:
    """Count, for each pair of rarely shown items, the lists that hold both."""
    rare = np.append(counts <= _RARE, False)  # the last entry stands for padding
    users, items = [], []
    step = max(1, BLOCK_CELLS // max(1, min(k, lists.shape[1])))
    for start in range(0, lists.shape[0], step):
        top = lists[start : start + step, :k]
        row, column = np.nonzero(rare[top])
        users.append(row + start)
        items.append(top[row, column])
    row, column = np.concatenate(users), np.concatenate(items)
    ones: Floats = np.ones(len(row))
    shown = sparse.csr_array((ones, (row, column)), shape=(lists.shape[0], len(counts)))
    return sparse.csr_array(shown.T @ shown)
