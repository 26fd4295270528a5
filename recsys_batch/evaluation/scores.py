"""The scores of one model on one hold-out: values a user, means with intervals, exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_batch import columns as c
from recsys_batch.config import EvaluationSettings
from recsys_batch.errors import ContractError
from recsys_batch.evaluation import beyond, exposure
from recsys_batch.evaluation.accuracy import accuracy_metrics
from recsys_batch.evaluation.calibration import expected_calibration_error
from recsys_batch.evaluation.intervals import Interval, mean_intervals
from recsys_batch.evaluation.lists import Block, Bools, Floats, Ints, Lists, Truth, blocks
from recsys_batch.evaluation.rows import METRICS_SCHEMA, metric_key, metric_row

BlockMetric = Callable[[Block], Floats]


@dataclass(frozen=True, eq=False)
class Scores:
    """What `evaluate` found.

    Attributes
    ----------
    settings
        Depths, resamples, level and seed it was computed with.
    n_items
        Items of the catalogue, the base of coverage.
    per_user
        Metric name -> float64 array over all users, read-only; NaN where a user does not count.
        Names: precision, recall, ndcg, map, mrr, hit_rate, serendipity, novelty, and, where
        given, diversity and cold_users (1 for users without training data).
    means
        The same names -> mean over the users that count, with its bootstrap interval.
    catalogue
        coverage (with interval), gini and entropy of exposure (without), over all lists; ece,
        the expected calibration error (without interval), where probabilities are given.
    users
        Users with relevant items: those in the means, an empty list of theirs counting as zero.
    users_without_relevant
        Users left out of the means because nothing was relevant to them.
    empty_lists, short_lists
        Among all users: lists with no item, and with fewer items than they should have.
    """

    settings: EvaluationSettings
    n_items: int
    per_user: Mapping[str, Floats]
    means: Mapping[str, Interval]
    catalogue: Mapping[str, Interval]
    users: int
    users_without_relevant: int
    empty_lists: int
    short_lists: int

    def key(self, name: str) -> str:
        """Return the metric's name with its depth, such as ``ndcg@10``."""
        return metric_key(name, settings=self.settings)

    def table(self, *, model: str) -> pa.Table:
        """Return the rows of the `metrics` table for this model, NaN as null."""
        rows = [
            {c.MODEL: model}
            | metric_row(name, interval, users=self._counted(name), settings=self.settings)
            for name, interval in {**self.means, **self.catalogue}.items()
        ]
        return pa.Table.from_pylist(rows, schema=METRICS_SCHEMA)

    def _counted(self, name: str) -> int:
        if name in self.per_user:
            return int((~np.isnan(self.per_user[name])).sum())
        return self.users + self.users_without_relevant


def evaluate(
    lists: Lists,
    truth: Truth,
    *,
    settings: EvaluationSettings,
    item_popularity: NDArray[np.integer[Any] | np.floating[Any]],
    item_categories: NDArray[np.integer[Any]] | None,
    n_items: int,
    training_users: int | None = None,
    cold_users: Bools | None = None,
    expected_lengths: Ints | int | None = None,
    probabilities: NDArray[np.floating[Any]] | None = None,
) -> Scores:
    """Measure lists against a hold-out over the whole catalogue.

    Parameters
    ----------
    lists
        Item rows, users x width, in rank order (a total order: ties were settled upstream),
        padded with -1. As wide as the deepest metric, or what was missing counts as missed.
    truth
        Relevant items of the hold-out, CSR users x items, same user order.
    settings
        Depths, and how intervals are made.
    item_popularity
        Users (or weight) of each item in the training data.
    item_categories
        Category code of each item, negative for unknown; None: no diversity.
    n_items
        Items of the catalogue.
    training_users
        Users of the training data, the base of novelty; by default the sum of popularity is.
    cold_users
        Which users have no training data; None: no cold share.
    expected_lengths
        Items each list should hold; by default the width, or the catalogue where it is smaller.
    probabilities
        Of the items of the lists: that they are relevant; NaN where nothing is said of that.

    Raises
    ------
    ContractError
        Shapes do not fit, or a list is malformed (an item twice, outside the catalogue, or
        behind padding).
    """
    _check_catalogue(truth, n_items, popularity=item_popularity, categories=item_categories)
    metrics = _metrics(settings, item_popularity, item_categories, training_users)
    per_user = {name: np.full(lists.shape[0], np.nan) for name in metrics}
    came_true = np.zeros(lists.shape, dtype=np.bool_)
    relevant = np.zeros(lists.shape[0], dtype=np.int64)
    lengths = np.zeros(lists.shape[0], dtype=np.int64)
    for block in blocks(lists, truth):
        relevant[block.rows], came_true[block.rows] = block.relevant, block.hits
        lengths[block.rows] = (block.items >= 0).sum(axis=1)
        for name, metric in metrics.items():
            per_user[name][block.rows] = metric(block)
    if cold_users is not None:
        per_user["cold_users"] = np.where(relevant > 0, cold_users, np.nan)
    for values in per_user.values():
        values.setflags(write=False)
    expected = min(lists.shape[1], n_items) if expected_lengths is None else expected_lengths
    users = int((relevant > 0).sum())
    catalogue = _catalogue(lists, settings=settings, n_items=n_items)
    if probabilities is not None and np.isfinite(probabilities).any():
        error = expected_calibration_error(probabilities.astype(np.float64), came_true)
        catalogue["ece"] = Interval(error, np.nan, np.nan)
    return Scores(
        settings=settings,
        n_items=n_items,
        per_user=per_user,
        means=intervals_of(per_user, settings=settings),
        catalogue=catalogue,
        users=users,
        users_without_relevant=lists.shape[0] - users,
        empty_lists=int((lengths == 0).sum()),
        short_lists=int((lengths < expected).sum()),
    )


def intervals_of(
    per_user: Mapping[str, Floats], *, settings: EvaluationSettings
) -> dict[str, Interval]:
    """Return the mean of each metric with its bootstrap interval."""
    found = mean_intervals(
        np.column_stack(list(per_user.values())),
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    return dict(zip(per_user, found, strict=True))


def _metrics(
    settings: EvaluationSettings,
    popularity: NDArray[np.integer[Any] | np.floating[Any]],
    categories: NDArray[np.integer[Any]] | None,
    training_users: int | None,
) -> dict[str, BlockMetric]:
    k = settings.k
    total = None if training_users is None else float(training_users)
    information = beyond.self_information(popularity, total=total)
    chance = beyond.popularity_chance(popularity)
    metrics: dict[str, BlockMetric] = {
        name: partial(lambda block, metric: metric(block.hits, block.relevant), metric=metric)
        for name, metric in accuracy_metrics(k=k, recall_k=settings.recall_k).items()
    }
    metrics["serendipity"] = lambda block: beyond.serendipity(
        block.items, block.hits, block.relevant, chance, k=k
    )
    metrics["novelty"] = lambda block: beyond.novelty(block.items, information, k=k)
    if categories is not None:
        metrics["diversity"] = lambda block: beyond.diversity(block.items, categories, k=k)
    return metrics


def _catalogue(lists: Lists, *, settings: EvaluationSettings, n_items: int) -> dict[str, Interval]:
    counts = exposure.exposures(lists, k=settings.k, n_items=n_items)
    return {
        "coverage": exposure.coverage_interval(
            lists, counts, k=settings.k, confidence=settings.confidence
        ),
        "gini": Interval(exposure.gini(counts), np.nan, np.nan),
        "entropy": Interval(exposure.entropy(counts), np.nan, np.nan),
    }


def _check_catalogue(
    truth: Truth,
    n_items: int,
    *,
    popularity: NDArray[np.integer[Any] | np.floating[Any]],
    categories: NDArray[np.integer[Any]] | None,
) -> None:
    sizes = {"hold-out": truth.shape[1], "item_popularity": len(popularity)}
    if categories is not None:
        sizes["item_categories"] = len(categories)
    for name, size in sizes.items():
        if size != n_items:
            raise ContractError(
                f"{name} has {size} items, the catalogue {n_items}",
                where="evaluation input",
                fix="number the items of every input as in the catalogue",
            )
