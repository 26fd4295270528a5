"""iALS whose regularisation grows with how often a user or an item occurs.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, in the
form of Rendle, Krichene, Zhang, Koren, "Revisiting the Performance of iALS on Item
Recommendation Benchmarks", RecSys 2022 (equations 1 to 5)::

    sum_S w_ui (x_u . y_i - 1)^2  +  a sum_all (x_u . y_i)^2
        +  l (sum_u f_u^nu |x_u|^2 + sum_i f_i^nu |y_i|^2),   f_u = sum_i w_ui + a * items

`implicit` has no such regularisation. The paper's authors solve it by coordinates; here each row is
solved exactly. In the eigenbasis of the Gram matrix the part that all rows share is diagonal, so
that a row with n < d interactions costs an n x n system instead of a d x d one (the push-through
identity ``(D + S'WS)^-1 S'W = D^-1 S' (W^-1 + S D^-1 S')^-1``). Interactions may be damped by how
popular their items are, as the filters of `recsys_batch.models.sources.graph` damp them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.errors import InputDataError
from recsys_batch.models.solver import row_products
from recsys_batch.models.sources.interface import (
    FactorScores,
    Floats,
    Fold,
    Positive,
    SourceData,
    SourceSettings,
    fold_factors,
    spread_rows,
)

_BATCH_CELLS = 1 << 20  # gathered factors held at once: 4 MB, about a core's cache


class IalsSettings(SourceSettings):
    """iALS with frequency-scaled regularisation."""

    kind: Literal["ials"] = "ials"
    factors: int = Field(128, ge=1, le=1024, description="Dimensions of the factors.")
    unobserved: Positive = Field(
        0.1, description="Weight of every pair (the paper's alpha_0), against 1 of an interaction."
    )
    regularization: Positive = Field(0.003, description="L2 penalty (the paper's lambda).")
    frequency_exponent: float = Field(
        1.0, ge=0, le=1, description="The paper's nu: 0 penalises all rows alike, 1 by frequency."
    )
    item_exponent: float = Field(
        0.0,
        ge=0,
        le=1,
        description="An interaction weighs its item's interactions ** -this, 1 on average: those "
        "with popular items count less. 0 in the paper.",
    )
    iterations: int = Field(12, ge=1, description="Sweeps over users and items.")
    seed: int = Field(1, ge=0, description="Seed of the initial item factors.")
    members: int = Field(
        1, ge=1, description="Models fitted from seeds in a row, whose scores are averaged."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> DampedScores:
        """Alternate exact solutions of all users and of all items.

        The factors of several members stand side by side: the mean of dot products is one, too.
        """
        damping = self._damping(data.weights)
        by_user = _damped(data.weights, damping)
        by_item = by_user.T.tocsr()
        with threadpool_limits(limits=threads, user_api="blas"):
            fitted = [
                self._fit_member(by_user, by_item, self.seed + member)
                for member in range(self.members)
            ]
        users = np.hstack([users for users, _ in fitted]) / np.float32(self.members)
        return DampedScores(users, np.hstack([items for _, items in fitted]), damping)

    def refold(self, fitted: DampedScores, data: SourceData, fold: Fold) -> DampedScores:
        """Solve users, given the items' factors, and then items that had none.

        Items are damped as they were; a new one counts as the rarest did. Of several members all
        users are solved for, as an earlier fold tells their mean alone.
        """
        if self.members > 1:
            fold = replace(fold, earlier=None)
        damping = spread_rows(fitted.damping, fold.places, data.weights.shape[1])
        damping[damping == 0] = fitted.damping.max(initial=np.float32(1.0))
        weights, known = _damped(data.weights, damping), fitted.items
        with threadpool_limits(limits=1, user_api="blas"):
            folded = [
                fold_factors(member, weights, fold, partial(self._solve, product=row_products))
                for member in np.split(known, self.members, axis=1)
            ]
        users = np.hstack([each.users for each in folded]) / np.float32(self.members)
        return DampedScores(users, np.hstack([each.items for each in folded]), damping)

    def _damping(self, weights: sparse.csr_matrix) -> Floats:
        """What an interaction with each item is multiplied by."""
        counts = np.bincount(weights.indices, minlength=weights.shape[1])
        damping = np.maximum(counts, 1.0) ** -self.item_exponent
        mean = damping @ counts / max(1, counts.sum())
        return np.asarray(damping / (mean or 1.0), dtype=np.float32)

    def _fit_member(
        self, by_user: sparse.csr_matrix, by_item: sparse.csr_matrix, seed: int
    ) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(seed)
        shape = (by_user.shape[1], self.factors)
        items = (rng.standard_normal(shape) * 0.1 / np.sqrt(self.factors)).astype(np.float32)
        for _ in range(self.iterations):
            users = self._solve(by_user, items)
            items = self._solve(by_item, users)
        return self._solve(by_user, items), items

    def _solve(
        self,
        weights: sparse.csr_matrix,
        others: Floats,
        product: Callable[[Floats, Floats], Floats] = np.matmul,
    ) -> Floats:
        """The best factors of each row of `weights`, given the factors of its columns."""
        gram = others.T.astype(np.float64) @ others
        values, basis = np.linalg.eigh(gram)
        shared = self.unobserved * np.maximum(values, 0.0)
        turned = others @ basis.astype(np.float32)
        sums = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
        frequency = sums + self.unobserved * weights.shape[1]
        penalty = self.regularization * frequency**self.frequency_exponent
        solved = np.zeros((weights.shape[0], self.factors), dtype=np.float32)
        for rows, count in _batches(np.diff(weights.indptr), self.factors):
            cells = weights.indptr[rows][:, None] + np.arange(count)
            diagonal = (shared + penalty[rows][:, None]).astype(np.float32)
            near = turned[weights.indices[cells]]
            solve = _solve_wide if count < self.factors else _solve_tall
            solved[rows] = solve(near, weights.data[cells], diagonal)
        if not np.isfinite(solved).all():
            raise InputDataError(
                "training gave factors that are not finite numbers",
                where=f"ials.regularization {self.regularization}, unobserved {self.unobserved}",
                fix="raise the regularization",
            )
        back = np.ascontiguousarray(basis.T, dtype=np.float32)
        return np.asarray(product(solved, back), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class DampedScores(FactorScores):
    """Scores as dot products of factors that damped interactions were solved for.

    Attributes
    ----------
    damping
        float32, items: what an interaction with each was multiplied by, above 0.
    """

    damping: Floats


def _damped(weights: sparse.csr_matrix, damping: Floats) -> sparse.csr_matrix:
    data = weights.data * damping[weights.indices]
    return sparse.csr_matrix(
        (data.astype(np.float32), weights.indices, weights.indptr), shape=weights.shape
    )


def _batches(
    counts: npt.NDArray[np.integer], factors: int
) -> Iterator[tuple[npt.NDArray[np.intp], int]]:
    """Rows of equal count, a cache's worth at a time; rows without interactions are left out."""
    order = np.argsort(counts, kind="stable")
    edges = np.flatnonzero(np.diff(counts[order], prepend=-1, append=-1))
    for first, last in pairwise(edges):
        count = int(counts[order[first]])
        step = max(1, _BATCH_CELLS // max(1, count * factors))
        for start in range(first, last, step) if count else ():
            yield order[start : min(start + step, last)], count


def _solve_wide(near: Floats, weights: Floats, diagonal: Floats) -> Floats:
    """Rows with fewer interactions than factors: ``rows x n x n`` systems."""
    scaled = near / diagonal[:, None, :]
    system = scaled @ near.transpose(0, 2, 1)
    each = np.arange(near.shape[1])
    system[:, each, each] += 1.0 / weights
    answer = np.linalg.solve(system, np.ones((*weights.shape, 1), dtype=np.float32))
    return np.asarray((answer.transpose(0, 2, 1) @ scaled)[:, 0, :], dtype=np.float32)


def _solve_tall(near: Floats, weights: Floats, diagonal: Floats) -> Floats:
    """Rows with at least as many interactions as factors: ``rows x d x d`` systems."""
    weighted = (near * weights[:, :, None]).transpose(0, 2, 1)
    system = weighted @ near
    each = np.arange(near.shape[2])
    system[:, each, each] += diagonal
    return np.asarray(np.linalg.solve(system, weighted.sum(axis=2)[:, :, None])[:, :, 0])
