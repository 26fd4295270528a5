"""Interactions to the one CSR matrix of training, over Arrow and without Python objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.errors import InputDataError


@dataclass(frozen=True)
class InteractionMatrix:
    """A users x items matrix and what its rows and columns are.

    Attributes
    ----------
    users, items
        Keys in ascending order: row i is ``users[i]``, column j is ``items[j]``.
    weights
        float32 CSR, users x items, with sorted indices.
    """

    users: pa.StringArray
    items: pa.StringArray
    weights: sparse.csr_matrix


def interaction_matrix(
    interactions: pa.Table, *, min_user_items: int = 1, min_item_users: int = 1
) -> InteractionMatrix:
    """Build the matrix of pairs with positive weight, with equal bits in any row order.

    Parameters
    ----------
    interactions
        user_key, item_id, weight; a pair at most once.
    min_user_items, min_item_users
        Users and items with fewer partners are left out, in one pass over the full table.

    Raises
    ------
    InputDataError
        Nothing is left to train on.
    """
    table = interactions.select([c.USER_KEY, c.ITEM_ID, c.WEIGHT])
    table = table.filter(pc.greater(table[c.WEIGHT], 0))
    rows, users = _codes(table[c.USER_KEY])
    cols, items = _codes(table[c.ITEM_ID])
    weights = table[c.WEIGHT].to_numpy().astype(np.float32)
    keep = np.ones(len(rows), dtype=bool)
    if len(rows):
        keep &= np.bincount(rows, minlength=len(users))[rows] >= min_user_items
        keep &= np.bincount(cols, minlength=len(items))[cols] >= min_item_users
    if not keep.any():
        raise InputDataError(
            f"no interaction is left of {len(interactions)}",
            where="features.min_user_items, features.min_item_users, dataset.weights",
            fix="lower the limits, widen features.window_days, or choose a later day",
        )
    rows, users = _compact(rows[keep], users)
    cols, items = _compact(cols[keep], items)
    matrix = sparse.csr_matrix(
        (weights[keep], (rows, cols)), shape=(len(users), len(items)), dtype=np.float32
    )
    matrix.sort_indices()
    return InteractionMatrix(users, items, matrix)


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.StringArray]:
    """Ordinal of each value among the sorted distinct values."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    codes = encoded.indices.to_numpy()
    return rank[codes], encoded.dictionary.take(pa.array(order))


def _compact(codes: np.ndarray, values: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    used = np.zeros(len(values), dtype=bool)
    used[codes] = True
    return (np.cumsum(used) - 1)[codes], values.filter(pa.array(used))
