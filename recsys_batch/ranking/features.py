"""Features of candidates: one definition for training the re-ranker and for scoring with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.candidates import Candidates

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class History:
    """What the training interactions say of users and items.

    Attributes
    ----------
    counts
        Logarithm of one plus each user's interactions.
    popularity
        Logarithm of one plus each item's users.
    taste
        Mean popularity of each user's items, as above; zero without history.
    """

    counts: Floats
    popularity: Floats
    taste: Floats


def make_history(weights: sparse.csr_matrix) -> History:
    """Count the interactions, whatever their weights.

    Parameters
    ----------
    weights
        Users x items: what the sources were fitted on.
    """
    counts = np.diff(weights.indptr)
    popularity = np.log1p(np.bincount(weights.indices, minlength=weights.shape[1]))
    users = np.repeat(np.arange(len(counts)), counts)
    summed = np.bincount(users, weights=popularity[weights.indices], minlength=len(counts))
    return History(
        np.log1p(counts).astype(np.float32),
        popularity.astype(np.float32),
        (summed / np.maximum(counts, 1)).astype(np.float32),
    )


def feature_names(sources: tuple[str, ...]) -> list[str]:
    """Names of the columns of `candidate_features`."""
    scores = [f"score of {source}" for source in sources]
    ranks = [f"log rank of {source}" for source in sources]
    return [
        *scores,
        *ranks,
        "sources",
        "blend",
        "blend below first",
        "log rank of blend",
        "user interactions",
        "item popularity",
        "item popularity over taste",
    ]


def candidate_features(
    candidates: Candidates,
    blended: Floats,
    places: npt.NDArray[np.intp],
    rows: npt.NDArray[np.integer],
    history: History,
) -> Floats:
    """Describe each user's best candidates by the blend.

    Parameters
    ----------
    candidates, blended
        Candidates and their blended scores, users x width.
    places
        Columns of the candidates to describe, users x depth, best first. Those without a
        candidate are described by the numbers of padding, and are the caller's to leave out.
    rows
        Row of each user in `history`.

    Returns
    -------
    array
        float32, users x depth x features.
    """
    scores = np.take_along_axis(candidates.scores, places[None], axis=2)
    ranks = np.take_along_axis(candidates.ranks, places[None], axis=2)
    unranked = candidates.ranks.max(axis=(0, 2), initial=0)[None, :, None] + 1
    picked = np.take_along_axis(candidates.items, places, axis=1)
    own = np.take_along_axis(blended, places, axis=1)
    own = np.where(np.isfinite(own), own, 0.0)
    popularity = history.popularity[np.maximum(picked, 0)]
    shape = places.shape
    columns = [
        *scores,
        *np.log(np.where(ranks > 0, ranks, unranked)),
        (ranks > 0).sum(axis=0),
        own,
        own[:, :1] - own,
        np.broadcast_to(np.log(np.arange(1, shape[1] + 1)), shape),
        np.broadcast_to(history.counts[rows][:, None], shape),
        popularity,
        popularity - history.taste[rows][:, None],
    ]
    return np.stack(columns, axis=2).astype(np.float32)
