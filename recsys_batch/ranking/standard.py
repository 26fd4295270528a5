"""A source's best items for some users, and its standard scores of any items.

A standard score is a score less the user's mean over all items, in units of the user's standard
deviation over all items: what makes sources comparable. A source without spread says nothing: 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.sources import FactorSource, FittedSource
from recsys_batch.ranking.best import best_items
from recsys_batch.ranking.products import moments, picked_scores
from recsys_batch.topn import PreparedItems, top_n

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Standard: TypeAlias = Callable[[Ints], Floats]

_NO_SPREAD = 1e-5  # relative to the mean: what float32 rounds apart


class Scorer(Protocol):
    """A source that can be ranked."""

    def rank(
        self,
        rows: npt.NDArray[np.integer],
        exclude: sparse.csr_matrix | None,
        allow: Bools | None = None,
    ) -> tuple[Ints, Standard]:
        """The best items of each user, and the function that scores items, users x width.

        Lists are ordered by score, then item row, and end with -1. They hold items of the mask
        `allow` alone, and none that `exclude` has.
        """
        ...


def scorer(source: FittedSource, n: int, *, threads: int = 1) -> Scorer:
    """Rank by the top-N kernel where scores are dot products, else by all scores."""
    if isinstance(source, FactorSource):
        return _Factors(source, n, threads)
    return _Dense(source, n)


class _Factors:
    def __init__(self, source: FactorSource, n: int, threads: int) -> None:
        self._source, self._n, self._threads = source, n, threads
        self._prepared = PreparedItems(source.items)
        self._mean = source.items.mean(axis=0, dtype=np.float64)
        centred = source.items - self._mean.astype(np.float32)
        self._covariance = (centred.T @ centred).astype(np.float64) / max(1, len(centred))

    def rank(
        self,
        rows: npt.NDArray[np.integer],
        exclude: sparse.csr_matrix | None,
        allow: Bools | None = None,
    ) -> tuple[Ints, Standard]:
        users = np.ascontiguousarray(self._source.users[rows])
        best, _ = top_n(
            users,
            self._prepared,
            n=self._n,
            exclude=exclude,
            allow=allow,
            threads=self._threads,
        )
        means, variances = moments(users, self._mean, self._covariance)

        def standard(items: Ints) -> Floats:
            scores = picked_scores(users, self._source.items, np.maximum(items, 0))
            return _standardise(scores, means, np.sqrt(np.maximum(variances, 0.0)))

        return best, standard


class _Dense:
    def __init__(self, source: FittedSource, n: int) -> None:
        self._source, self._n = source, n

    def rank(
        self,
        rows: npt.NDArray[np.integer],
        exclude: sparse.csr_matrix | None,
        allow: Bools | None = None,
    ) -> tuple[Ints, Standard]:
        scores = self._source.scores(rows)
        best = best_items(scores, self._n, exclude=exclude, allow=allow)

        def standard(items: Ints) -> Floats:
            picked = np.take_along_axis(scores, np.maximum(items, 0), axis=1)
            means = scores.mean(axis=1)
            centred = scores - means[:, None]
            variances = np.einsum("ui,ui->u", centred, centred) / scores.shape[1]
            return _standardise(picked, means, np.sqrt(variances))

        return best, standard


def _standardise(
    scores: Floats, means: npt.NDArray[np.floating], spreads: npt.NDArray[np.floating]
) -> Floats:
    says_nothing = spreads <= _NO_SPREAD * np.abs(means)
    spreads = np.where(says_nothing, np.inf, spreads)
    return np.asarray((scores - means[:, None]) / spreads[:, None], dtype=np.float32)
