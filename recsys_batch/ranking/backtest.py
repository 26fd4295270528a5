"""Lists of hold-out users as a matrix of item rows, made by the same code that makes lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.ranking.catalog import Catalog
from recsys_batch.ranking.runner import rank_users

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Holdout:
    """What hold-out users wanted.

    Attributes
    ----------
    users
        User keys, ascending; the row order of everything below.
    relevant
        CSR, users x items of the catalog.
    """

    users: pa.StringArray
    relevant: sparse.csr_matrix


def make_holdout(pairs: pa.Table, catalog: Catalog) -> Holdout:
    """Index hold-out pairs (user_key, item_id) by sorted users and the catalog's rows."""
    users = pc.unique(pairs[c.USER_KEY].combine_chunks())
    users = users.take(pc.sort_indices(users))
    rows = pc.index_in(pairs[c.USER_KEY].combine_chunks(), value_set=users).to_numpy()
    items = pa.array(catalog.ids, pa.string())
    cols = pc.index_in(pairs[c.ITEM_ID].combine_chunks(), value_set=items).to_numpy()
    shape = (len(users), len(catalog.ids))
    ones = np.ones(len(rows), dtype=np.int8)
    return Holdout(users, sparse.csr_matrix((ones, (rows, cols)), shape=shape))


def backtest_lists(
    users: DataFrame, catalog: Catalog, holdout: Holdout, *, n: int, exclude_seen: bool
) -> npt.NDArray[np.int32]:
    """Rank for the hold-out's users: int32 item rows, users x n, padded with -1.

    Parameters
    ----------
    users
        `ranking_input` of at least the hold-out's users.
    """
    ranked = rank_users(users, catalog, n=n, exclude_seen=exclude_seen, with_reasons=False)
    table = ranked.toArrow()
    lists = table[c.ITEMS].combine_chunks()
    values = pc.list_flatten(lists).field(c.ITEM_ID)
    known = pa.array(catalog.ids, pa.string())
    flat = pc.index_in(values, value_set=known).to_numpy(zero_copy_only=False)
    owner = pc.list_parent_indices(lists).to_numpy()
    lengths = pc.list_value_length(lists).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    place = np.arange(len(flat)) - starts[owner]
    row_of = pc.index_in(table[c.USER_KEY].combine_chunks(), value_set=holdout.users)
    rows = row_of.to_numpy(zero_copy_only=False).astype(np.int64)
    matrix = np.full((len(holdout.users), n), -1, dtype=np.int32)
    matrix[rows[owner], place] = flat.astype(np.int32)
    return matrix
