"""How a candidate stands to the user's own items and to users alike: sums, and the strongest few.

A blend sees one score a source, each a sum over the user's items or over users alike. Whether a
sum is one strong tie or many weak ones is lost in it; these features tell. Ties of items are taken
over the user's own items, ties of users over the users who have the candidate.
"""

# mypy: allow-untyped-calls
# The passes over ties are compiled by numba, which infers their types.

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.compilation import fixed
from recsys_batch.ranking.ties import ITEM_TIES, USER_TIES, add_item_ties, add_user_ties

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer]

_SUMMARIES = ("sum", "sum of squares", "greatest", "mean of 3 greatest")
NEIGHBOURHOOD_NAMES = [
    "own items tied",
    "share of own items tied",
    "users tied",
    *(f"{what} of {tie} of items" for tie in ITEM_TIES for what in _SUMMARIES),
    *(f"{what} of {tie} of users" for tie in USER_TIES for what in _SUMMARIES),
]


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Who has what, and which items share users.

    Attributes
    ----------
    by_user, by_item
        CSR of the interactions, users x items and items x users.
    shared
        CSR, items x items: users that two items share.
    damped
        The same cells: the sum of ``1 / sqrt(interactions)`` of these users, so that active users
        count less.
    """

    by_user: sparse.csr_matrix
    by_item: sparse.csr_matrix
    shared: sparse.csr_matrix
    damped: Floats

    def features(self, rows: Ints, items: npt.NDArray[np.int32]) -> Floats:
        """Describe candidates.

        Parameters
        ----------
        rows
            User rows.
        items
            Users x width: item rows, distinct in each row; -1 where there is none.

        Returns
        -------
        array
            float32, users x width x ``len(NEIGHBOURHOOD_NAMES)``; zeros where there is none.
        """
        ties = len(ITEM_TIES) + len(USER_TIES)
        counts = np.zeros((*items.shape, 2), dtype=np.float32)
        found = np.zeros((*items.shape, ties, 5), dtype=np.float32)
        rows, items = fixed(rows, np.int64), fixed(items)
        activity = fixed(np.diff(self.by_user.indptr), np.float32)
        popularity = fixed(np.diff(self.by_item.indptr), np.float32)
        user_part = (fixed(self.by_user.indptr), fixed(self.by_user.indices))
        item_part = (fixed(self.by_item.indptr), fixed(self.by_item.indices))
        shared = (fixed(self.shared.indptr), fixed(self.shared.indices), fixed(self.shared.data))
        gram = (*shared, fixed(self.damped))
        add_item_ties(rows, items, *user_part, *gram, popularity, counts, found)
        add_user_ties(rows, items, *user_part, *item_part, activity, popularity, counts, found)
        own = np.maximum(activity[rows], 1)[:, None]
        told = np.stack([counts[..., 0], counts[..., 0] / own, counts[..., 1]], axis=-1)
        return np.concatenate([told, _summaries(found)], axis=-1)


def _summaries(found: Floats) -> Floats:
    """Users x width x (ties times ``_SUMMARIES``), of what is kept of each tie."""
    means = found[..., 2:].sum(axis=-1, keepdims=True) / np.float32(3)
    width = found.shape[2] * len(_SUMMARIES)
    return np.concatenate([found[..., :3], means], axis=-1).reshape(*found.shape[:2], width)


def make_neighbourhood(weights: sparse.csr_matrix) -> Neighbourhood:
    """Count shared users, whatever the weights of the interactions.

    Parameters
    ----------
    weights
        Users x items, indices sorted. Memory grows with the pairs of items that share a user.
    """
    ones = np.ones(weights.nnz, dtype=np.float32)
    by_user = sparse.csr_matrix((ones, weights.indices, weights.indptr), shape=weights.shape)
    by_item = by_user.T.tocsr()
    interactions = np.maximum(np.diff(by_user.indptr), 1)
    scaled = sparse.csr_matrix(
        sparse.diags_array((1.0 / np.sqrt(interactions)).astype(np.float32)) @ by_user
    )
    shared, damped = (sparse.csr_matrix(by_item @ each) for each in (by_user, scaled))
    for each in (shared, damped):
        each.sort_indices()
    return Neighbourhood(by_user, by_item, shared, np.asarray(damped.data, dtype=np.float32))
