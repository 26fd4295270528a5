"""Lists of hold-out users as matrices of item rows, made by the model that makes lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.lake.arrow import read_table
from recsys_batch.models.recipes import Recipe
from recsys_batch.models.training import Training
from recsys_batch.ranking.ranker import Ranker

_BLOCK_USERS = 256


@dataclass(frozen=True, eq=False)
class Holdout:
    """What hold-out users wanted.

    Attributes
    ----------
    keys
        User keys as bytes, ascending; the row order of everything below.
    rows
        Row of each in the training: a user who was not there yet is the stranger of their cohort,
        or else of their region.
    regional_rows
        The same where there are no lists of cohorts.
    cold
        bool: users without a history in training.
    relevant
        CSR, users x items.
    """

    keys: npt.NDArray[np.bytes_]
    rows: npt.NDArray[np.int64]
    regional_rows: npt.NDArray[np.int64]
    cold: npt.NDArray[np.bool_]
    relevant: sparse.csr_matrix

    def rows_under(self, recipe: Recipe) -> npt.NDArray[np.int64]:
        """Rows whose lists the users would have been given by a model of a recipe."""
        return self.rows if recipe.tells_cohorts else self.regional_rows


def make_holdout(pairs: pa.Table, users: pa.Table, trained_on: Training) -> Holdout:
    """Index hold-out pairs by sorted users and the training's items.

    Parameters
    ----------
    pairs
        user_key, item_id: what was relevant.
    users
        user_key, region, cohort, as known when they came: a request for a stranger names them.
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
    told = [users[name].to_pylist() for name in (c.USER_KEY, c.REGION, c.COHORT)]
    known = {key: (region, cohort) for key, region, cohort in zip(*told, strict=True)}
    who = [known.get(each, (None, None)) for each in names.to_pylist()]
    strangers = [trained_on.stranger(region, cohort) for region, cohort in who]
    regional = [trained_on.stranger(region) for region, _ in who]
    history = np.diff(trained_on.data.weights.indptr)
    relevant = sparse.csr_matrix((ones, (owners, columns)), shape=shape)
    return Holdout(
        keys,
        rows=np.where(there, rows, strangers).astype(np.int64),
        regional_rows=np.where(there, rows, regional).astype(np.int64),
        cold=~there | (history[rows] == 0),
        relevant=relevant,
    )


def read_holdout(home: Path, *, run_id: str, trained_on: Training) -> Holdout:
    """Read what a run holds out.

    Raises
    ------
    LakeError
        The features are not there.
    """
    pairs = read_table(home, "holdout", (c.USER_KEY, c.ITEM_ID), run_id=run_id)
    users = read_table(home, "users", (c.USER_KEY, c.REGION, c.COHORT), run_id=run_id, part="full")
    return make_holdout(pairs, users, trained_on)


def ranker_lists(
    ranker: Ranker, rows: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Lists of some users, users x n: item rows, and their probabilities as `Ranked` has them."""
    ranked = [ranker.rank(users) for users in _blocks(rows)]
    items = np.concatenate([each.items for each in ranked])
    return items, np.concatenate([each.probability for each in ranked])


def alone_lists(ranker: Ranker, rows: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.int32]]:
    """Lists of some users by each source of a model alone: item rows, users x n."""
    made = [ranker.alone(users) for users in _blocks(rows)]
    return {name: np.concatenate([each[name] for each in made]) for name in made[0]}


def _blocks(rows: npt.NDArray[np.integer]) -> list[npt.NDArray[np.integer]]:
    """The rows in blocks, of which there is one at least."""
    starts = range(0, max(len(rows), 1), _BLOCK_USERS)
    return [rows[first : first + _BLOCK_USERS] for first in starts]
