"""Item-item neighbours: an item scores by how alike it is to those the user has.

Cosine and its weightings by TF-IDF and BM25 as `implicit` defines them
(`implicit.nearest_neighbours`); RP3beta is a random walk of three steps, lowered for popular items
(Paudel, Christoffel, Newell, Bernstein, "Updatable, Accurate, Diverse, and Scalable
Recommendations for Interactive Applications", TiiS 2017).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from recsys_batch.models.sources.interface import (
    Floats,
    Fold,
    Places,
    ProfiledSettings,
    Rows,
    SourceData,
    spread_pairs,
)

_BLOCK_ITEMS = 1024  # items whose similarities to all others are held at once


class NeighbourSettings(ProfiledSettings):
    """Item-item neighbours."""

    kind: Literal["neighbours"] = "neighbours"
    similarity: Literal["cosine", "tfidf", "bm25", "rp3beta"] = Field(
        "cosine", description="How alike two items are."
    )
    neighbours: int = Field(200, ge=1, description="Nearest items kept for each item.")
    shrinkage: float = Field(
        0.0, ge=0, description="Added to cosine's denominator: few users in common count less."
    )
    bm25_k1: float = Field(100.0, gt=0, description="BM25: where repeated events saturate.")
    bm25_b: float = Field(0.8, ge=0, le=1, description="BM25: how far popular items are damped.")
    walk_alpha: float = Field(1.0, gt=0, description="RP3beta: power of a step's probability.")
    walk_beta: float = Field(0.6, ge=0, description="RP3beta: power of popularity divided by.")

    def fit(self, data: SourceData, *, threads: int = 1) -> Neighbours:  # noqa: ARG002
        """Keep the nearest items of each item."""
        left, right, divisor = self._parts(data.weights)
        items = data.weights.shape[1]
        kept = [
            self._nearest(left, right, divisor, first, min(first + _BLOCK_ITEMS, items))
            for first in range(0, items, _BLOCK_ITEMS)
        ]
        similarities = sparse.csr_matrix(sparse.vstack(kept), dtype=np.float32)
        return Neighbours(data.profile(self.profile_half_life_days), similarities)

    def refold(self, fitted: Neighbours, data: SourceData, fold: Fold) -> Neighbours:
        """Keep the similarities."""
        return fitted.among(data.profile(self.profile_half_life_days), fold.places)

    def _parts(
        self, weights: sparse.csr_matrix
    ) -> tuple[sparse.csr_matrix, sparse.csr_matrix, npt.NDArray[np.float64]]:
        """Items x users, users x items, and an item's part of the denominator."""
        if self.similarity == "rp3beta":
            users, items = _sums(weights, 1), _sums(weights, 0)
            step_back, step_on = weights.T.tocsr().astype(np.float64), weights.astype(np.float64)
            step_back = sparse.csr_matrix(sparse.diags_array(1.0 / items) @ step_back)
            step_on = sparse.csr_matrix(sparse.diags_array(1.0 / users) @ step_on)
            step_back.data **= self.walk_alpha
            step_on.data **= self.walk_alpha
            return step_back, step_on, items**self.walk_beta
        weighed = sparse.csr_matrix(_WEIGHTINGS[self.similarity](weights, self))
        squares = weighed.multiply(weighed)
        lengths = np.sqrt(_sums(sparse.csr_matrix(squares), 0))
        return weighed.T.tocsr(), weighed, lengths

    def _nearest(
        self,
        left: sparse.csr_matrix,
        right: sparse.csr_matrix,
        divisor: npt.NDArray[np.float64],
        first: int,
        last: int,
    ) -> sparse.csr_matrix:
        alike = sparse.csr_matrix(left[first:last] @ right)
        owners = np.repeat(np.arange(first, last), np.diff(alike.indptr))
        if self.similarity == "rp3beta":
            alike.data /= divisor[alike.indices]
        else:
            alike.data /= divisor[owners] * divisor[alike.indices] + self.shrinkage
        alike.data[alike.indices == owners] = 0.0
        for start, end in pairwise(alike.indptr):
            if end - start > self.neighbours:
                own = alike.data[start:end]  # of equal ones at the edge all are kept
                edge = np.partition(own, -self.neighbours)[-self.neighbours]
                own[own < edge] = 0.0
        alike.eliminate_zeros()
        return alike


class Neighbours:
    """Scores ``R S``; row i of `similarities` holds the items that item i speaks for."""

    def __init__(self, weights: sparse.csr_matrix, similarities: sparse.csr_matrix) -> None:
        self._weights = weights
        self.similarities = similarities

    def among(self, weights: sparse.csr_matrix, places: Places) -> Neighbours:
        """The same similarities for other users and among more items."""
        return Neighbours(weights, spread_pairs(self.similarities, places, weights.shape[1]))

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray((self._weights[rows] @ self.similarities).toarray(), dtype=np.float32)


def _sums(weights: sparse.csr_matrix, axis: int) -> npt.NDArray[np.float64]:
    """Sums along an axis, 1 where there is nothing."""
    sums = np.asarray(weights.sum(axis=axis), dtype=np.float64).ravel()
    sums[sums == 0] = 1.0
    return sums


def _cosine(weights: sparse.csr_matrix, _settings: NeighbourSettings) -> sparse.csr_matrix:
    return sparse.csr_matrix(weights, dtype=np.float64)


def _tfidf(weights: sparse.csr_matrix, _settings: NeighbourSettings) -> sparse.csr_matrix:
    """A user of few items says more: square roots of weights times ``log(items / (1 + n))``."""
    counts = np.bincount(weights.nonzero()[0], minlength=weights.shape[0])
    rarity = np.log(weights.shape[1]) - np.log1p(counts)
    rooted = sparse.csr_matrix(weights, dtype=np.float64).sqrt()
    return sparse.csr_matrix(sparse.diags_array(rarity) @ rooted)


def _bm25(weights: sparse.csr_matrix, settings: NeighbourSettings) -> sparse.csr_matrix:
    """Okapi BM25 of users as terms and items as documents."""
    counts = np.bincount(weights.nonzero()[0], minlength=weights.shape[0])
    rarity = np.log(weights.shape[1]) - np.log1p(counts)
    lengths = _sums(weights, 0)
    norm = 1.0 - settings.bm25_b + settings.bm25_b * lengths / lengths.mean()
    coo = weights.tocoo()
    k1 = settings.bm25_k1
    data = coo.data * (k1 + 1.0) / (k1 * norm[coo.col] + coo.data) * rarity[coo.row]
    return sparse.csr_matrix((data, (coo.row, coo.col)), shape=coo.shape)


_WEIGHTINGS = {"cosine": _cosine, "tfidf": _tfidf, "bm25": _bm25}
