"""Linear filters of the graph of users and items.

Shen, Wu, Zhang, Shan, Zhang, Letaief, Li, "How Powerful is Graph Convolution for Recommendation?"
(GF-CF), CIKM 2021: with ``R~ = D_u^-a R D_i^-b`` the linear filter scores ``R R~' R~``, the ideal
low-pass filter ``R D_i^-b V V' D_i^b``, V the first right singular vectors of ``R~``. The paper has
a = b = 1/2 and adds the two; here the exponents are settings, and the two are two sources.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.models.sources.interface import (
    FactorScores,
    Floats,
    ProfiledSettings,
    Rows,
    SourceData,
)


class _Normalised(ProfiledSettings):
    user_exponent: float = Field(0.5, ge=0, le=1, description="a: how far active users are damped.")
    item_exponent: float = Field(
        0.5, ge=0, le=1, description="b: how far popular items are damped."
    )

    def _normalise(self, weights: sparse.csr_matrix) -> tuple[sparse.csr_matrix, Floats]:
        """``R~`` and ``D_i^b``."""
        users = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
        items = np.asarray(weights.sum(axis=0), dtype=np.float64).ravel()
        items[items == 0] = users[users == 0] = 1.0
        left = sparse.diags_array(users**-self.user_exponent)
        right = sparse.diags_array(items**-self.item_exponent)
        scaled = sparse.csr_matrix(left @ weights @ right, dtype=np.float32)
        return scaled, (items**self.item_exponent).astype(np.float32)


class LinearFilterSettings(_Normalised):
    """GF-CF's linear filter: items of users who share items."""

    kind: Literal["linear_filter"] = "linear_filter"
    signal_exponent: float = Field(
        0.0, ge=0, le=1, description="How far popular items are damped in the user's own row."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> LinearFilter:  # noqa: ARG002
        """Normalise; the products are taken when scores are asked for."""
        scaled, _ = self._normalise(data.weights)
        items = np.maximum(np.asarray(data.weights.sum(axis=0)).ravel(), 1e-12)
        damped = sparse.diags_array(items**-self.signal_exponent)
        own = data.profile(self.profile_half_life_days)
        signal = sparse.csr_matrix(own @ damped, dtype=np.float32)
        return LinearFilter(signal, scaled)


class LinearFilter:
    """Scores ``R R~' R~``, by way of the users, so that no items x items matrix is held."""

    def __init__(self, signal: sparse.csr_matrix, scaled: sparse.csr_matrix) -> None:
        self._signal, self._turned, self._scaled = signal, scaled.T.tocsr(), scaled.T.tocsr()

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        alike = (self._signal[rows] @ self._turned).toarray()
        return np.ascontiguousarray((self._scaled @ alike.T).T, dtype=np.float32)


class LowPassSettings(_Normalised):
    """GF-CF's ideal low-pass filter."""

    kind: Literal["low_pass"] = "low_pass"
    factors: int = Field(256, ge=1, le=2048, description="Singular vectors kept.")
    sharpness: float = Field(
        0.0, ge=0, description="Power of the singular values that weighs the vectors; 0: alike."
    )
    oversampling: int = Field(16, ge=1, description="Further vectors of the randomised range.")
    power_iterations: int = Field(4, ge=1, description="Passes that sharpen the range.")
    seed: int = Field(1, ge=0, description="Seed of the randomised range.")

    def fit(self, data: SourceData, *, threads: int = 1) -> FactorScores:
        """Find the singular vectors by randomised subspace iteration.

        Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011,
        algorithms 4.4 and 5.1.
        """
        scaled, degrees = self._normalise(data.weights)
        limit = min(scaled.shape)
        rng = np.random.default_rng(self.seed)
        width = min(self.factors + self.oversampling, limit)
        turned = scaled.T.tocsr()
        with threadpool_limits(limits=threads, user_api="blas"):
            range_ = rng.standard_normal((scaled.shape[1], width)).astype(np.float32)
            for _ in range(self.power_iterations):
                range_ = _orthonormal(turned @ (scaled @ range_))
            reduced = scaled @ range_
            values, vectors = np.linalg.eigh(reduced.T.astype(np.float64) @ reduced)
            keep = np.argsort(-values)[: min(self.factors, limit)]
            right = range_ @ vectors[:, keep].astype(np.float32)
        singular = np.sqrt(np.maximum(values[keep], 0.0))
        relative = singular / max(singular.max(initial=0.0), 1e-12)
        weighed = right * (relative**self.sharpness).astype(np.float32)
        users = data.profile(self.profile_half_life_days) @ (weighed / degrees[:, None])
        return FactorScores(np.asarray(users, dtype=np.float32), right * degrees[:, None])


def _orthonormal(columns: Floats) -> Floats:
    """An orthonormal basis of the columns' space, by their Gram matrix: products alone.

    Twice, since once leaves what float32 rounds apart (Stathopoulos, Wu, "A Block
    Orthogonalization Procedure with Constant Synchronization Requirements", SISC 2002).
    """
    for _ in range(2):
        values, vectors = np.linalg.eigh((columns.T @ columns).astype(np.float64))
        kept = values > 1e-6 * values.max(initial=0.0)
        columns = columns @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    return columns
