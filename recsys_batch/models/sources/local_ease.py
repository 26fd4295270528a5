"""EASE^R within each item's neighbourhood: item weights for catalogues of any size.

Steck's closed form ("Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) inverts an
items x items matrix. Here each item is a weighted sum of its nearest items alone, as in fsSLIM
(Ning, Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011, section
IV-C), so that an item costs one small system: ``(X_N'X_N + l I) b = X_N' x_j``.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.models.sources.interface import Fold, Positive, SourceData, SourceSettings
from recsys_batch.models.sources.neighbours import Neighbours


class LocalEaseSettings(SourceSettings):
    """EASE^R over the nearest items of each item."""

    kind: Literal["local_ease"] = "local_ease"
    regularization: Positive = Field(12.0, description="L2 penalty, in interactions.")
    user_exponent: float = Field(
        0.4, ge=0, le=1, description="A user weighs interactions ** -this: active ones count less."
    )
    neighbours: int = Field(100, ge=1, description="Nearest items that an item is made of.")
    neighbour_exponent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Nearest by co-occurrence / popularity ** this: 0.5 is the cosine.",
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Neighbours:
        """Solve one system an item; memory grows with the pairs of items that share users."""
        weights = data.weights.astype(np.float32)
        sums = np.asarray(weights.sum(axis=1), dtype=np.float64).ravel()
        sums[sums == 0] = 1.0
        left = sparse.diags_array((sums ** (-self.user_exponent / 2)).astype(np.float32))
        scaled = sparse.csr_matrix(left @ weights)
        gram = sparse.csr_matrix(scaled.T.tocsr() @ scaled)
        gram.sort_indices()
        items = gram.shape[0]
        near = np.full((items, self.neighbours), -1, dtype=np.int32)
        solved = np.zeros(near.shape, dtype=np.float32)
        with threadpool_limits(limits=threads, user_api="blas"):
            _solve_items(
                gram.indptr,
                gram.indices,
                gram.data,
                gram.diagonal() ** self.neighbour_exponent,
                np.float32(self.regularization),
                near,
                solved,
            )
        owners, places = np.nonzero(near >= 0)
        entries = (solved[owners, places], (near[owners, places], owners))
        return Neighbours(weights, sparse.csr_matrix(entries, shape=(items, items)))

    def refold(self, fitted: Neighbours, data: SourceData, fold: Fold) -> Neighbours:
        """Keep the items' weights."""
        return fitted.among(data.weights.astype(np.float32), fold.places)


@numba.njit(nogil=True)
def _nearest(indices, values, damping, item, n):
    """The n nearest items, the lower row first where they are equally near; not the item."""
    nearness = values / damping[indices]
    nearness[indices == item] = 0.0
    order = np.argsort(-nearness, kind="mergesort")[:n]
    return indices[order[nearness[order] > 0.0]]


@numba.njit(nogil=True)
def _solve_items(indptr, indices, values, damping, penalty, near, solved):
    place = np.full(len(damping), -1, dtype=np.int32)
    for item in range(len(damping)):
        own = slice(indptr[item], indptr[item + 1])
        nearest = _nearest(indices[own], values[own], damping, item, near.shape[1])
        n = len(nearest)
        if n == 0:
            continue
        place[nearest] = np.arange(n)
        system = np.zeros((n, n), dtype=np.float32)
        right = np.zeros(n, dtype=np.float32)
        for row in range(n):
            for cell in range(indptr[nearest[row]], indptr[nearest[row] + 1]):
                column = place[indices[cell]]
                if column >= 0:
                    system[row, column] = values[cell]
                if indices[cell] == item:
                    right[row] = values[cell]
            system[row, row] += penalty
        place[nearest] = -1
        near[item, :n] = nearest
        solved[item, :n] = np.linalg.solve(system, right)
