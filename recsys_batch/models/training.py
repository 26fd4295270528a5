"""Interactions to factors with their keys, the rows of `user_factors` and `item_factors`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.config import AlsSettings, FeatureSettings
from recsys_batch.models.als import fit_als
from recsys_batch.models.matrix import interaction_matrix


@dataclass(frozen=True)
class FittedFactors:
    """Factors with their keys: idx, user_key or item_id, factors; keys ascending."""

    users: pa.Table
    items: pa.Table


def fit_factors(
    interactions: pa.Table,
    *,
    recipe: AlsSettings,
    limits: FeatureSettings,
    progress: Callable[[int, int], None] | None = None,
) -> FittedFactors:
    """Fit a recipe on interactions; equal rows in any order give equal bits.

    Parameters
    ----------
    interactions
        user_key, item_id, weight.
    limits
        Its `min_user_items` and `min_item_users` say who gets factors.
    progress
        Called with sweeps done and sweeps in all.

    Raises
    ------
    InputDataError
        Nothing is left to train on, or the factors are not finite.
    """
    matrix = interaction_matrix(
        interactions, min_user_items=limits.min_user_items, min_item_users=limits.min_item_users
    )
    factors = fit_als(matrix.weights, settings=recipe, progress=progress)
    return FittedFactors(
        _table(c.USER_KEY, matrix.users, factors.users),
        _table(c.ITEM_ID, matrix.items, factors.items),
    )


def _table(key: str, keys: pa.StringArray, factors: np.ndarray) -> pa.Table:
    rows, width = factors.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(factors.ravel()), width)
    return pa.table(
        {
            c.IDX: pa.array(np.arange(rows, dtype=np.int32)),
            key: keys,
            c.FACTORS: vectors.cast(pa.list_(pa.float32())),
        }
    )
