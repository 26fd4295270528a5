"""SAR on MovieLens 100K as `recommenders` publishes it: shows that split and metrics are theirs.

Simple Algorithm for Recommendation of recommenders-team/recommenders, with the settings of its
benchmark: Jaccard similarity of items, ratings halved every 30 days before the last one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.quality.tables import Table, read_movielens_100k, stratified

HALF_LIFE_DAYS = 30


class Sar:
    """Scores: a user's decayed ratings times the similarities of items."""

    def __init__(self, affinity: sparse.csr_matrix, similarity: npt.NDArray[np.float64]) -> None:
        self._affinity, self._similarity = affinity, similarity

    def scores(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Score all items for some users."""
        return np.asarray(self._affinity[rows] @ self._similarity, dtype=np.float32)


def fit_sar(folder: Path, table: Table) -> Sar:
    """Fit SAR on the training part, which alone has the ratings and times that it needs."""
    train, _ = stratified(read_movielens_100k(folder))
    pairs = np.searchsorted(table.users, train["user"]), np.searchsorted(table.items, train["item"])
    days = (train["time"].max() - train["time"]).to_numpy() / 86400
    affinity = train["rating"].to_numpy() * np.exp2(-days / HALF_LIFE_DAYS)
    weights = (table.data.weights > 0).astype(np.float64)
    together = np.asarray((weights.T @ weights).toarray())
    counts = np.diag(together)
    similarity = together / (counts[:, None] + counts - together)
    return Sar(sparse.csr_matrix((affinity, pairs), shape=weights.shape), similarity)
