"""Lists of several models on the same hold-outs: each user's figures, and rows of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.quality.lakes import Day
from benchmarks.quality.report import Row
from benchmarks.quality.rivals import COUNTED, with_all_sources
from recsys_batch.evaluation.accuracy import accuracy
from recsys_batch.evaluation.intervals import mean_intervals, paired
from recsys_batch.evaluation.segments import activity_labels
from recsys_batch.models.recipes import POPULAR
from recsys_batch.ranking.backtest import alone_lists, ranker_lists
from recsys_batch.ranking.model import RankingModel

Numbers = npt.NDArray[np.float64]
Lists = npt.NDArray[np.int32]
OURS, ALS = "lists", "implicit ALS, tuned"
POPULARITY, PLAIN = "popularity", "popularity, undecayed"
NEW_ITEM_DAYS = 7  # an item known for fewer days before the cut is a cold one
POWER_FROM = 20  # items in training from which a user is a power user
DEPTHS = (100, 500)  # of candidates
_SEED = 7


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures of each hold-out user of a day.

    Attributes
    ----------
    keys
        User keys.
    activity
        new, light or power.
    figures
        (model, metric) to a value a user; NaN where the user does not count.
    lists
        Of ours: item rows, users x 100.
    """

    keys: npt.NDArray[np.bytes_]
    activity: npt.NDArray[np.str_]
    figures: Mapping[tuple[str, str], Numbers]
    lists: Lists


def judge(day: Day, als: RankingModel) -> Judged:
    """Score our lists and all that they are held against."""
    rows, trained_on = day.holdout.rows_under(day.model.recipe), day.model.trained_on
    deep, wide = max(DEPTHS), with_all_sources(day)
    alone = alone_lists(day.under(wide, n=deep), rows)
    lists = {
        OURS: ranker_lists(day.under(day.model, n=DEPTHS[0]), rows)[0],
        POPULARITY: alone[POPULAR],
        PLAIN: alone.pop(COUNTED),
        ALS: ranker_lists(day.under(als, n=DEPTHS[0]), rows)[0],
        **{f"{name} alone": found for name, found in alone.items() if name != POPULAR},
    }
    counts = np.diff(trained_on.data.weights.indptr)[rows]
    cold = _only(day.holdout.relevant, cold_items(day))
    figures: dict[tuple[str, str], Numbers] = {}
    for model, found in lists.items():
        measured = accuracy(found, day.holdout.relevant, k=day.k, recall_k=DEPTHS[0])
        of_cold = accuracy(found, cold, k=day.k, recall_k=DEPTHS[0])
        figures[model, f"ndcg@{day.k}"] = measured["ndcg"]
        figures[model, f"recall@{DEPTHS[0]} of cold items"] = of_cold["recall"]
    merged, _ = ranker_lists(day.under(day.model, n=deep), rows)
    for model, found in {"candidates, merged": merged, **alone}.items():
        for depth in DEPTHS:
            name = model if found is merged else f"candidates, {model} alone"
            measured = accuracy(found, day.holdout.relevant, k=day.k, recall_k=depth)
            figures[name, f"recall@{depth}"] = measured["recall"]
    activity = activity_labels(counts, power_from=POWER_FROM)
    return Judged(day.holdout.keys, activity, figures, lists[OURS])


def cold_items(day: Day) -> npt.NDArray[np.bool_]:
    """Items on offer, first known fewer than 7 days before the cut or touched by nobody by then."""
    trained_on = day.model.trained_on
    touched = np.bincount(trained_on.data.weights.indices, minlength=len(trained_on.ids)) > 0
    return trained_on.recommendable & (~(trained_on.item_days >= NEW_ITEM_DAYS) | ~touched)


def _only(relevant: sparse.csr_matrix, items: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    kept = sparse.csr_matrix(relevant.multiply(items.astype(np.int8)))
    kept.eliminate_zeros()
    return kept


def rows_of(table: str, days: Sequence[Judged]) -> list[Row]:
    """Means with intervals, and our paired differences, of the users of all days.

    A user who is judged on several days counts once, with the mean over them.
    """
    keys = np.concatenate([day.keys for day in days])
    users, owners = np.unique(keys, return_inverse=True)
    figures = {
        name: _by_user(np.concatenate([day.figures[name] for day in days]), owners, len(users))
        for name in days[0].figures
        if all(name in day.figures for day in days)
    }
    activity = np.concatenate([day.activity for day in days])
    ndcg = next(metric for _, metric in figures if metric.startswith("ndcg"))
    recall = next(metric for _, metric in figures if "cold items" in metric)
    rivals = [model for model, metric in figures if metric == ndcg and model != OURS]
    rows = [Row(table, "hold-out", "users", float(len(users)))]
    rows += [_mean(table, model, ndcg, figures[model, ndcg]) for model in (OURS, *rivals)]
    rows += [_less(table, model, ndcg, figures) for model in rivals]
    for segment in ("new", "light", "power"):
        members = np.where(activity == segment, 1.0, np.nan)
        inside = {
            (model, f"{ndcg} of {segment} users"): _by_user(
                np.concatenate([day.figures[model, ndcg] for day in days]) * members,
                owners,
                len(users),
            )
            for model in (OURS, POPULARITY, PLAIN)
        }
        rows += _against_popularity(table, inside, promised=segment == "new")
    inside = {(model, recall): figures[model, recall] for model in (OURS, POPULARITY, PLAIN)}
    rows += _against_popularity(table, inside, promised=True)
    rows += [
        _mean(table, model, metric, values)
        for (model, metric), values in figures.items()
        if model.startswith("candidates")
    ]
    return rows


def _by_user(values: Numbers, owners: npt.NDArray[np.intp], users: int) -> Numbers:
    """The mean of each user's values; NaN where there are none."""
    there = ~np.isnan(values)
    summed = np.bincount(owners[there], weights=values[there], minlength=users)
    counted = np.bincount(owners[there], minlength=users)
    return np.where(counted > 0, summed / np.maximum(counted, 1), np.nan)


def _against_popularity(
    table: str, figures: Mapping[tuple[str, str], Numbers], *, promised: bool
) -> list[Row]:
    metric = next(iter(figures))[1]
    if np.isnan(figures[OURS, metric]).all():
        return []
    rows = [_mean(table, model, metric, values) for (model, _), values in figures.items()]
    rows += [
        _less(table, rival, metric, figures, promised=promised) for rival in (POPULARITY, PLAIN)
    ]
    return rows


def _mean(table: str, model: str, metric: str, values: Numbers) -> Row:
    (found,) = mean_intervals(values[:, None], resamples=1000, confidence=0.95, seed=_SEED)
    counted = int((~np.isnan(values)).sum())
    return Row(
        table, model, f"{metric}, {counted} users", found.value, interval=(found.low, found.high)
    )


def _less(
    table: str,
    rival: str,
    metric: str,
    figures: Mapping[tuple[str, str], Numbers],
    *,
    promised: bool = True,
) -> Row:
    found = paired(
        figures[OURS, metric],
        figures[rival, metric],
        resamples=2000,
        confidence=0.95,
        seed=_SEED,
    )
    apart = found.difference
    return Row(
        table,
        f"lists less {rival}",
        f"{metric}, low end above 0" if promised else metric,
        apart.value,
        0.0 if promised else None,
        found.holds if promised else None,
        (apart.low, apart.high),
    )
