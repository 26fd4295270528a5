"""Users x items matrices whose entries keep an item out of a user's list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.policy.facts import Rows


def entries(
    indices: Rows, indptr: npt.NDArray[np.integer], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Make a matrix of ones, int8 CSR."""
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int8), indices, indptr), shape)


def nothing(shape: tuple[int, int]) -> sparse.csr_matrix:
    """Make a matrix without entries."""
    return entries(np.zeros(0, dtype=np.int32), np.zeros(shape[0] + 1, dtype=np.int64), shape)


def joined(rows: list[list[Rows]], shape: tuple[int, int]) -> sparse.csr_matrix:
    """Make a matrix of arrays of items, several a user; users who share arrays share work."""
    merged: dict[tuple[int, ...], Rows] = {}
    each: list[Rows] = []
    for parts in rows:
        name = tuple(id(part) for part in parts)
        if name not in merged:
            merged[name] = np.unique(np.concatenate([*parts, np.zeros(0, dtype=np.int32)]))
        each.append(merged[name])
    indptr = np.concatenate([[0], np.cumsum([len(own) for own in each])]).astype(np.int64)
    return entries(np.concatenate([*each, np.zeros(0, dtype=np.int32)]), indptr, shape)


def union(one: sparse.csr_matrix, other: sparse.csr_matrix) -> sparse.csr_matrix:
    """Make the matrix of the entries of either, whatever their values; stored zeros count."""
    shape = one.shape[0], one.shape[1]
    both = entries(one.indices, one.indptr, shape) + entries(other.indices, other.indptr, shape)
    return sparse.csr_matrix(both)
