"""Factors with their keys: the rows of `user_factors` and `item_factors`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.models.sources import FactorSource
from recsys_batch.models.training import Training


def factor_tables(
    trained_on: Training, factors: FactorSource, *, run_id: str, part: str
) -> dict[str, pa.Table]:
    """Table to its rows of a run's part: of users and items with a history."""
    weights = trained_on.data.weights
    users = np.flatnonzero(np.diff(weights.indptr) > 0)
    items = np.flatnonzero(np.bincount(weights.indices, minlength=weights.shape[1]))
    ids = pa.array(trained_on.ids, pa.string()).take(pa.array(items))
    owned = {c.RUN_ID: run_id, c.PART: part}
    return {
        "user_factors": _table(
            owned, c.USER_KEY, trained_on.user_keys(users), factors.users[users]
        ),
        "item_factors": _table(owned, c.ITEM_ID, ids, factors.items[items]),
    }


def _table(
    owned: Mapping[str, str], key: str, keys: pa.Array, factors: npt.NDArray[np.float32]
) -> pa.Table:
    rows, width = factors.shape
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(factors.ravel()), width)
    return pa.table(
        {
            **{name: pa.array([value] * rows, pa.string()) for name, value in owned.items()},
            c.IDX: pa.array(np.arange(rows, dtype=np.int32)),
            key: keys,
            c.FACTORS: vectors.cast(pa.list_(pa.float32())),
        }
    )
