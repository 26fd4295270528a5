"""Coat: trained on self-selected ratings, tested on uniformly random ones, debiased or not.

Both models are the same but for the weights of the ratings. Each is tuned on a fifth of the
self-selected ratings by the error that it itself minimises; random ratings are for the test alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from benchmarks.quality.report import Row
from recsys_batch.evaluation.accuracy import ndcg
from recsys_batch.evaluation.intervals import paired
from recsys_batch.models.ratings import (
    RatingSettings,
    fit_ratings,
    inverse_propensity_weights,
)

ABOUT = (
    "Coat: ratings predicted by factors, with and without weights of one over the propensity;"
    " tested on uniformly random ratings, 4 and 5 relevant for NDCG. Each is tuned on a fifth of"
    " the training ratings"
)
K, LIKED, CLIP, SEED = 5, 4, 100.0, 0
GRID = [
    RatingSettings(factors=factors, regularization=penalty, bias_regularization=biases)
    for factors, penalty, biases in product((0, 4, 8, 16), (3.0, 6.0, 10.0, 20.0), (1.0, 3.0, 10.0))
]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Test figures of each user, and the lists behind them."""

    squared_error: Numbers
    ndcg: Numbers
    lists: npt.NDArray[np.int32]


def run(folder: Path, *, out: Path) -> list[Row]:
    """Train with and without weights, and compare them on the random ratings."""
    home = folder / "coat"
    train, test = (np.loadtxt(home / f"{part}.ascii") for part in ("train", "test"))
    propensities = np.loadtxt(home / "propensities.ascii")[train > 0]
    ratings = sparse.csr_matrix(train)
    weights = {
        "without debiasing": np.ones(ratings.nnz),
        "with debiasing": inverse_propensity_weights(propensities, clip=CLIP),
    }
    outcomes = {
        name: measure(fit_ratings(ratings, own, choose(ratings, own)).predict(), test)
        for name, own in weights.items()
    }
    plain, debiased = outcomes.values()
    users, places = np.nonzero(debiased.lists >= 0)
    frame = {"user": users, "item": debiased.lists[users, places], "rank": places + 1}
    (out / "coat").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(frame).to_parquet(out / "coat" / "lists.parquet", index=False)
    rows = []
    for name, each in outcomes.items():
        rows.append(Row("coat", f"ours, {name}", "mse", float(np.nanmean(each.squared_error))))
        rows.append(Row("coat", f"ours, {name}", f"ndcg@{K}", float(np.nanmean(each.ndcg))))
    for metric, better, worse, goal in (
        ("reduction of mse", plain.squared_error, debiased.squared_error, 0.0),
        (f"gain of ndcg@{K}", debiased.ndcg, plain.ndcg, None),
    ):
        apart = paired(better, worse, resamples=1000, confidence=0.95, seed=SEED)
        between = (apart.difference.low, apart.difference.high)
        holds = None if goal is None else apart.holds
        value = apart.difference.value
        rows.append(Row("coat", "debiasing", metric, value, goal, holds, between))
    return rows


def choose(ratings: sparse.csr_matrix, weights: Numbers) -> RatingSettings:
    """The settings with the least weighted error on a fifth of the self-selected ratings."""
    cut = np.random.default_rng(SEED).random(ratings.nnz) < 0.2
    users = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
    kept = sparse.csr_matrix(
        (ratings.data[~cut], (users[~cut], ratings.indices[~cut])), shape=ratings.shape
    )

    def loss(settings: RatingSettings) -> float:
        predicted = fit_ratings(kept, weights[~cut], settings).predict()
        error = ratings.data[cut] - predicted[users[cut], ratings.indices[cut]]
        return float(np.average(error**2, weights=weights[cut]))

    return min(GRID, key=loss)


def measure(predicted: Numbers, test: Numbers) -> Outcome:
    """Error and NDCG of each user over the random ratings; a rating of 4 or 5 is relevant."""
    rated = test > 0
    error = np.where(rated, (predicted - test) ** 2, np.nan)
    order = np.argsort(np.where(rated, -predicted, np.inf), axis=1, kind="stable")[:, :K]
    lists = np.where(np.take_along_axis(rated, order, axis=1), order, -1).astype(np.int32)
    hits = np.take_along_axis(test >= LIKED, order, axis=1)
    liked = (test >= LIKED).sum(axis=1).astype(np.int64)
    return Outcome(np.nanmean(error, axis=1), ndcg(hits, liked, k=K), lists)
