"""Means with intervals by segment: of users (activity, region) or of items (head and tail, age).

A user segment restricts who is averaged. An item segment restricts what counts as relevant: the
lists stay as they are, and users with nothing relevant in the segment are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.config import EvaluationSettings
from recsys_batch.errors import ContractError
from recsys_batch.evaluation.accuracy import accuracy
from recsys_batch.evaluation.lists import Floats, Lists, Truth
from recsys_batch.evaluation.rows import SEGMENTS_SCHEMA, metric_row
from recsys_batch.evaluation.scores import Scores, intervals_of

UNKNOWN = "unknown"

Labels = NDArray[Any]


def by_user_segment(scores: Scores, *, labels: Labels, dimension: str) -> pa.Table:
    """Average each metric within each segment of users.

    Parameters
    ----------
    scores
        What `evaluate` found.
    labels
        Segment of each user, any type; None is reported as ``unknown``.
    dimension
        What the labels are, such as ``activity`` or ``region``.

    Returns
    -------
    pyarrow.Table
        `SEGMENTS_SCHEMA`, one row a segment and metric, segments in order of their names; `users`
        are those in the mean. A segment with none has null values; with one, null ends.

    Raises
    ------
    ContractError
        There is not one label a user.
    """
    users = scores.users + scores.users_without_relevant
    names = _names(labels, size=users, of="user", dimension=dimension)
    rows: list[dict[str, Any]] = []
    for segment in np.unique(names):
        members = names == segment
        inside = {name: values[members] for name, values in scores.per_user.items()}
        rows += _rows(inside, scores.settings, dimension, str(segment))
    return pa.Table.from_pylist(rows, schema=SEGMENTS_SCHEMA)


def by_item_segment(
    lists: Lists,
    truth: Truth,
    *,
    labels: Labels,
    dimension: str,
    settings: EvaluationSettings,
) -> pa.Table:
    """Measure how well the relevant items of each segment are found.

    Parameters
    ----------
    lists, truth, settings
        As in `evaluate`.
    labels
        Segment of each item, any type; None is reported as ``unknown``.
    dimension
        What the labels are, such as ``popularity`` or ``item_age``.

    Returns
    -------
    pyarrow.Table
        `SEGMENTS_SCHEMA`, the accuracy metrics of each segment.

    Raises
    ------
    ContractError
        There is not one label an item, or a list is malformed.
    """
    names = _names(labels, size=truth.shape[1], of="item", dimension=dimension)
    rows: list[dict[str, Any]] = []
    for segment in np.unique(names):
        relevant = truth.data * (names == segment)[truth.indices]
        inside = sparse.csr_array((relevant, truth.indices, truth.indptr), shape=truth.shape)
        found = accuracy(lists, inside, k=settings.k, recall_k=settings.recall_k)
        rows += _rows(found, settings, dimension, str(segment))
    return pa.Table.from_pylist(rows, schema=SEGMENTS_SCHEMA)


def activity_labels(items_per_user: NDArray[np.integer[Any]], *, power_from: int) -> Labels:
    """Label users by distinct items in training: ``new`` (none), ``light``, or ``power``.

    `power_from` is the number of items from which a user is a power user.
    """
    return np.select(
        [items_per_user == 0, items_per_user < power_from], ["new", "light"], default="power"
    )


def popularity_labels(
    item_popularity: NDArray[np.integer[Any] | np.floating[Any]], *, head_share: float
) -> Labels:
    """Label items ``head`` or ``tail``.

    The head is the fewest items, most popular first (ties by item row), that together have
    `head_share` of all popularity.
    """
    order = np.argsort(-item_popularity, kind="stable")
    before = np.concatenate(([0.0], np.cumsum(item_popularity[order], dtype=np.float64)))[:-1]
    labels = np.full(len(order), "tail")
    labels[order[before < head_share * item_popularity.sum()]] = "head"
    return labels


def age_labels(age_days: Floats, *, edges: Sequence[float]) -> Labels:
    """Label items by age: ``<7d``, ``7-30d``, ``>=30d`` for edges 7 and 30; None for NaN."""
    ascending = [f"{edge:g}" for edge in edges]
    between = [f"{low}-{high}d" for low, high in pairwise(ascending)]
    names = np.array([f"<{ascending[0]}d", *between, f">={ascending[-1]}d"], dtype=object)
    labels: Labels = names[np.digitize(age_days, edges)]
    labels[np.isnan(age_days)] = None
    return labels


def _names(labels: Labels, *, size: int, of: str, dimension: str) -> Labels:
    if labels.shape != (size,):
        raise ContractError(
            f"labels of shape {labels.shape} for {size} {of}s",
            where=f"segment {dimension!r}",
            fix=f"give each {of} one label, in the order of the rows",
        )
    if labels.dtype == object:
        labels = np.where(labels == None, UNKNOWN, labels)  # noqa: E711 - elementwise
    return labels.astype(str)


def _rows(
    per_user: Mapping[str, Floats],
    settings: EvaluationSettings,
    dimension: str,
    segment: str,
) -> list[dict[str, Any]]:
    found = intervals_of(per_user, settings=settings)
    return [
        {c.DIMENSION: dimension, c.SEGMENT: segment}
        | metric_row(
            name,
            interval,
            users=int((~np.isnan(per_user[name])).sum()),
            settings=settings,
        )
        for name, interval in found.items()
    ]
