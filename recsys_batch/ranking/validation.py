"""Validation: what is cut from training data to choose by, and the objective it is chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys_batch.models.sources import SourceData
from recsys_batch.ranking.gains import discounted_gains, ideal_gains

Floats = npt.NDArray[np.float32]


class ValidationSettings(BaseModel):
    """What is cut off each user's interactions, at random."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(0.2, gt=0, lt=1, description="Part of each user's interactions.")
    at_least: int = Field(
        0, ge=0, description="Interactions cut off from users who have more than that many."
    )
    at_most: int | None = Field(
        None, ge=1, description="Interactions cut off from a user; null: as the share says."
    )
    users: int = Field(10000, ge=1, description="Users that choices are made by, drawn at random.")
    seed: int = Field(0, ge=0, description="Seed of the draws.")
    cuts: int = Field(
        1,
        ge=1,
        description="Cuts by seeds in a row that weights are chosen by; more for few users.",
    )


def cut_validation(
    data: SourceData, settings: ValidationSettings
) -> tuple[SourceData, sparse.csr_matrix]:
    """Split each user's interactions at random.

    Returns
    -------
    kept, cut
        Interactions to learn from and those to choose by, without a pair in common; users and
        items keep their rows.
    """
    weights = data.weights
    counts = np.diff(weights.indptr)
    users = np.repeat(np.arange(len(counts)), counts)
    drawn = np.random.default_rng(settings.seed).random(weights.nnz)
    place = np.empty(weights.nnz, dtype=np.int64)
    place[np.lexsort((drawn, users))] = np.arange(weights.nnz)
    place -= weights.indptr[users]
    sizes = np.floor(counts * settings.share)
    can_spare = counts > settings.at_least
    sizes[can_spare] = np.maximum(sizes[can_spare], settings.at_least)
    if settings.at_most is not None:
        sizes = np.minimum(sizes, settings.at_most)
    cut = place < sizes[users]
    ages = None if data.ages is None else data.ages[~cut]
    return SourceData(_part(weights, users, ~cut), ages, data.texts), _part(weights, users, cut)


def _part(
    weights: sparse.csr_matrix, users: npt.NDArray[np.intp], keep: npt.NDArray[np.bool_]
) -> sparse.csr_matrix:
    ends = np.concatenate([[0], np.cumsum(np.bincount(users[keep], minlength=weights.shape[0]))])
    return sparse.csr_matrix((weights.data[keep], weights.indices[keep], ends), shape=weights.shape)


@dataclass(frozen=True, eq=False)
class Wanted:
    """Which candidates the users wanted, as the objective needs it.

    Attributes
    ----------
    hits
        bool, users x width of the candidates.
    relevant
        Number of relevant items of each user, found among the candidates or not.
    """

    hits: npt.NDArray[np.bool_]
    relevant: npt.NDArray[np.int64]

    @cached_property
    def hit_columns(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Columns of the hits, user by user, and where each user's end."""
        ends = np.concatenate([[0], np.cumsum(self.hits.sum(axis=1))])
        return np.nonzero(self.hits)[1].astype(np.int32), ends.astype(np.int64)

    def of(self, users: npt.NDArray[np.integer]) -> Wanted:
        """The part of some of the users."""
        return Wanted(self.hits[users], self.relevant[users])


def wanted(items: npt.NDArray[np.int32], truth: sparse.csr_matrix) -> Wanted:
    """Look the candidates up in a hold-out.

    Parameters
    ----------
    items
        Users x width, -1 where there is no candidate.
    truth
        Users x items; an entry makes the item relevant.
    """
    hits = np.zeros(items.shape, dtype=np.bool_)
    for user in range(len(items)):
        own = truth.indices[truth.indptr[user] : truth.indptr[user + 1]]
        hits[user] = np.isin(items[user], own)
    return Wanted(hits, np.diff(truth.indptr).astype(np.int64))


def ndcg_each(scores: Floats, targets: Wanted, *, k: int) -> npt.NDArray[np.float64]:
    """NDCG at k of each user with a relevant item, as `recsys_batch.evaluation.accuracy` has it.

    Parameters
    ----------
    scores
        Users x width, -inf where there is no candidate; of equal ones the first wins.
    """
    who = np.flatnonzero(targets.relevant)
    columns, ends = targets.hit_columns
    gains = discounted_gains(np.ascontiguousarray(scores, dtype=np.float32), ends, columns, k)
    return np.asarray(gains[who] / ideal_gains(targets.relevant[who], k=k), dtype=np.float64)


def best_places(scores: Floats, k: int) -> npt.NDArray[np.intp]:
    """Columns of the k greatest scores of each row, by score, then column."""
    if k >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")
    # One more than asked for: where the two at the edge are equal, the row is sorted in full.
    top = np.argpartition(-scores, k, axis=1)[:, : k + 1]
    top.sort(axis=1)
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top = np.take_along_axis(top, order, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    for row in np.flatnonzero(ordered[:, k - 1] == ordered[:, k]):
        top[row] = np.argsort(-scores[row], kind="stable")[: k + 1]
    return top[:, :k]
