"""EASE^R: each item as a weighted sum of the others, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019 (algorithm 1):
``P = (X'X + l I)^-1``, ``B_ij = -P_ij / P_jj``, ``B_jj = 0``, scores ``X B``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from recsys_batch.models.sources.interface import (
    Floats,
    Fold,
    Positive,
    ProfiledSettings,
    Rows,
    SourceData,
)


class EaseSettings(ProfiledSettings):
    """EASE^R over the most popular items."""

    kind: Literal["ease"] = "ease"
    regularization: Positive = Field(300.0, description="The paper's lambda, in interactions.")
    user_exponent: float = Field(
        0.0, ge=0, le=1, description="A user weighs interactions ** -this: active ones count less."
    )
    max_items: int = Field(
        12000, ge=2, description="Most popular items modelled; memory grows with its square."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Ease:
        """Invert the Gram matrix of the modelled items."""
        popularity = np.asarray(data.weights.sum(axis=0)).ravel()
        order = np.lexsort((np.arange(len(popularity)), -popularity))
        modelled = np.sort(order[: self.max_items])
        part = sparse.csr_matrix(data.weights[:, modelled])
        counts = np.maximum(np.asarray(part.sum(axis=1), dtype=np.float64).ravel(), 1e-12)
        rooted = sparse.diags_array(counts ** (-self.user_exponent / 2)) @ part
        gram = np.asarray((rooted.T @ rooted).toarray(), dtype=np.float64)
        gram[np.diag_indices_from(gram)] += self.regularization
        with threadpool_limits(limits=threads, user_api="blas"):
            lower = linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
            inverse, _ = linalg.lapack.dpotri(lower, lower=1, overwrite_c=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        coefficients = (inverse / -np.diag(inverse)).astype(np.float32)
        np.fill_diagonal(coefficients, 0.0)
        return Ease(data.profile(self.profile_half_life_days), modelled, coefficients)

    def refold(self, fitted: Ease, data: SourceData, fold: Fold) -> Ease:
        """Keep the items' weights."""
        own = data.profile(self.profile_half_life_days)
        return Ease(own, fold.places[fitted.modelled], fitted.coefficients)


class Ease:
    """Scores ``X B``; items that are not modelled score zero."""

    def __init__(
        self,
        weights: sparse.csr_matrix,
        modelled: npt.NDArray[np.integer],
        coefficients: Floats,
    ) -> None:
        self._items, self.modelled = weights.shape[1], modelled
        self._part = sparse.csr_matrix(weights[:, modelled])
        self.coefficients = coefficients

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        out = np.zeros((len(rows), self._items), dtype=np.float32)
        out[:, self.modelled] = self._part[rows] @ self.coefficients
        return out
