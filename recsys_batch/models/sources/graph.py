"""Linear filters of the graph of users and items.

Shen, Wu, Zhang, Shan, Zhang, Letaief, Li, "How Powerful is Graph Convolution for Recommendation?"
(GF-CF), CIKM 2021: with ``R~ = D_u^-a R D_i^-b`` the linear filter scores ``R R~' R~``, the ideal
low-pass filter ``R D_i^-b V V' D_i^b``, V the first right singular vectors of ``R~``. The paper has
a = b = 1/2 and adds the two; here the exponents are settings, and the two are two sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.models.sources.interface import (
    FactorScores,
    Floats,
    Fold,
    ProfiledSettings,
    Rows,
    SourceData,
    spread_csr,
    spread_rows,
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
        damping = items**-self.signal_exponent
        return LinearFilter(self._signal(data, damping), scaled.T.tocsr(), damping)

    def refold(self, fitted: LinearFilter, data: SourceData, fold: Fold) -> LinearFilter:
        """Keep the users that were learnt from, and how far items are damped."""
        items = data.weights.shape[1]
        damping = spread_rows(fitted.damping, fold.places, items)
        scaled = spread_csr(fitted.scaled, fold.places, items)
        return LinearFilter(self._signal(data, damping), scaled, damping)

    def _signal(self, data: SourceData, damping: npt.NDArray[np.floating]) -> sparse.csr_matrix:
        own = data.profile(self.profile_half_life_days)
        return sparse.csr_matrix(own @ sparse.diags_array(damping), dtype=np.float32)


class LinearFilter:
    """Scores ``R R~' R~``, by way of the users, so that no items x items matrix is held.

    Parameters
    ----------
    signal
        R, users x items.
    scaled
        R~, turned: items x users that were learnt from.
    damping
        What an item of R was multiplied by.
    """

    def __init__(
        self,
        signal: sparse.csr_matrix,
        scaled: sparse.csr_matrix,
        damping: npt.NDArray[np.floating],
    ) -> None:
        self._signal, self.scaled, self.damping = signal, scaled, damping

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        alike = (self._signal[rows] @ self.scaled).toarray()
        return np.ascontiguousarray((self.scaled @ alike.T).T, dtype=np.float32)


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

    def fit(self, data: SourceData, *, threads: int = 1) -> ProjectedScores:
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
        return self._projected(data, right * degrees[:, None], weighed / degrees[:, None])

    def refold(self, fitted: ProjectedScores, data: SourceData, fold: Fold) -> ProjectedScores:
        """Keep the singular vectors."""
        items = data.weights.shape[1]
        parts = (
            spread_rows(each, fold.places, items) for each in (fitted.items, fitted.projection)
        )
        return self._projected(data, *parts)

    def _projected(self, data: SourceData, items: Floats, projection: Floats) -> ProjectedScores:
        users = data.profile(self.profile_half_life_days) @ projection
        return ProjectedScores(np.asarray(users, dtype=np.float32), items, projection)


@dataclass(frozen=True, eq=False)
class ProjectedScores(FactorScores):
    """Scores as dot products of factors, of which users have those of their items added up.

    Attributes
    ----------
    projection
        float32, items x factors: what an interaction adds to its user's.
    """

    projection: Floats


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
