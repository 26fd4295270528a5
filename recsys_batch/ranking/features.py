"""Features of candidates: one definition for training the re-ranker and for scoring with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.neighbourhood import (
    NEIGHBOURHOOD_NAMES,
    Neighbourhood,
    make_neighbourhood,
)

Floats = npt.NDArray[np.float32]
_EDGE = 20  # what a list of usual length ends with: who is above and below it is what matters


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
    weights
        The interactions themselves, users x items.
    """

    counts: Floats
    popularity: Floats
    taste: Floats
    weights: sparse.csr_matrix

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        """Which items share users; counted when first asked for."""
        return make_neighbourhood(self.weights)


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
        weights,
    )


def feature_names(sources: tuple[str, ...]) -> list[str]:
    """Names of the columns of `candidate_features`."""
    scores = [f"score of {source}" for source in sources]
    edges = [f"{source} over its {_EDGE}th" for source in sources]
    ranks = [f"log rank of {source}" for source in sources]
    return [
        *scores,
        *edges,
        *ranks,
        "sources",
        "blend",
        "blend below first",
        f"blend over its {_EDGE}th",
        "log rank of blend",
        "user interactions",
        "item popularity",
        "item popularity over taste",
        *NEIGHBOURHOOD_NAMES,
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
        *(_over_edge(each, picked >= 0) for each in scores),
        *np.log(np.where(ranks > 0, ranks, unranked)),
        (ranks > 0).sum(axis=0),
        own,
        own[:, :1] - own,
        _over_edge(own, picked >= 0),
        np.broadcast_to(np.log(np.arange(1, shape[1] + 1)), shape),
        np.broadcast_to(history.counts[rows][:, None], shape),
        popularity,
        popularity - history.taste[rows][:, None],
    ]
    told = np.stack([np.asarray(each, dtype=np.float32) for each in columns], axis=2)
    return np.concatenate([told, history.neighbourhood.features(rows, picked)], axis=2)


def _over_edge(scores: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """Each score less the user's score at the edge, or the least where there are fewer."""
    known = np.where(there, scores, np.inf)
    place = np.minimum(there.sum(axis=1), _EDGE)
    ascending = np.sort(known, axis=1)
    edge = ascending[np.arange(len(scores)), np.maximum(there.sum(axis=1) - place, 0)]
    return np.asarray(scores - np.where(np.isfinite(edge), edge, 0.0)[:, None], dtype=np.float32)
