"""Lists of hold-out users as matrices of item rows, made by the model that makes lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.models.training import Training
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.standard import scorer

_BLOCK_USERS = 256


@dataclass(frozen=True, eq=False)
class Holdout:
    """What hold-out users wanted.

    Attributes
    ----------
    keys
        User keys as bytes, ascending; the row order of everything below.
    rows
        Row of each in the training: a user who was not there yet is the stranger of their region.
    cold
        bool: users without a history in training.
    relevant
        CSR, users x items.
    """

    keys: npt.NDArray[np.bytes_]
    rows: npt.NDArray[np.int64]
    cold: npt.NDArray[np.bool_]
    relevant: sparse.csr_matrix


def make_holdout(pairs: pa.Table, users: pa.Table, trained_on: Training) -> Holdout:
    """Index hold-out pairs by sorted users and the training's items.

    Parameters
    ----------
    pairs
        user_key, item_id: what was relevant.
    users
        user_key, region, as known when they came: a request for a stranger names the region.
    """
    names = pc.unique(pairs[c.USER_KEY].combine_chunks())
    names = names.take(pc.sort_indices(names))
    owners = pc.index_in(pairs[c.USER_KEY].combine_chunks(), value_set=names).to_numpy()
    items = pa.array(trained_on.ids, pa.string())
    columns = pc.index_in(pairs[c.ITEM_ID].combine_chunks(), value_set=items).to_numpy()
    shape = (len(names), len(trained_on.ids))
    ones = np.ones(len(owners), dtype=np.int8)
    keys = np.array(names.to_pylist(), dtype=np.bytes_)
    rows = np.searchsorted(trained_on.keys, keys).clip(max=max(len(trained_on.keys) - 1, 0))
    there = trained_on.keys[rows] == keys
    region_of = dict(zip(users[c.USER_KEY].to_pylist(), users[c.REGION].to_pylist(), strict=True))
    regions = [region_of.get(each) for each in names.to_pylist()]
    strangers = [trained_on.stranger(each) for each in regions]
    rows = np.where(there, rows, strangers).astype(np.int64)
    history = np.diff(trained_on.data.weights.indptr)
    relevant = sparse.csr_matrix((ones, (owners, columns)), shape=shape)
    return Holdout(keys, rows, history[rows] == 0, relevant)


def model_lists(
    model: RankingModel, rows: npt.NDArray[np.integer], *, n: int
) -> dict[str, npt.NDArray[np.int32]]:
    """The model's lists of some users, and those of each of its sources alone: users x n.

    All leave out what the recipe leaves out.
    """
    trained_on = model.trained_on
    lists = {
        name: np.full((len(rows), n), -1, dtype=np.int32) for name in ("lists", *model.sources)
    }
    scorers = {name: scorer(source, n) for name, source in model.sources.items()}
    for first in range(0, len(rows), _BLOCK_USERS):
        users = slice(first, first + _BLOCK_USERS)
        lists["lists"][users] = model.rank(rows[users], n=n).items
        exclude = trained_on.seen[rows[users]] if model.recipe.seen == "exclude" else None
        for name, each in scorers.items():
            lists[name][users], _ = each.rank(rows[users], exclude, trained_on.recommendable)
    return lists
