"""What re-rankers learn from and are judged by: users' best candidates, described once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_batch.errors import ContractError
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.features import History, candidate_features
from recsys_batch.ranking.validation import Wanted, best_places

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.integer]


def described(
    blend: Blend, candidates: Candidates, rows: Rows, history: History, *, depth: int
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Each user's best `depth` candidates by the blend: places, its scores, and features."""
    blended = blend.scores(candidates)
    places = best_places(blended, depth)
    start = np.take_along_axis(blended, places, axis=1)
    return places, start, candidate_features(candidates, blended, places, rows, history)


@dataclass(frozen=True, eq=False)
class Lesson:
    """Users of one validation.

    Attributes
    ----------
    candidates, targets
        Candidates of sources fitted without the validation, and which of them were wanted.
    rows
        Row of each user in `history`.
    history
        Of the interactions that the sources were fitted on.
    """

    candidates: Candidates
    targets: Wanted
    rows: Rows
    history: History

    def described(self, blend: Blend, depth: int) -> Examples:
        """Describe each user's best `depth` candidates by the blend."""
        places, start, features = described(
            blend, self.candidates, self.rows, self.history, depth=depth
        )
        hits = np.take_along_axis(self.targets.hits, places, axis=1) & np.isfinite(start)
        return Examples(features, start, Wanted(hits, self.targets.relevant))


@dataclass(frozen=True, eq=False)
class Examples:
    """Users' best candidates by the blend, best first.

    Attributes
    ----------
    features
        float32, users x depth x features, as `candidate_features` has them.
    start
        float32, users x depth: the blend's scores, -inf where there are no more candidates.
    targets
        Which of them were wanted, and how many items each user wanted in all.
    """

    features: Floats
    start: Floats
    targets: Wanted

    def of(self, users: Rows) -> Examples:
        """The examples of some of the users."""
        return Examples(self.features[users], self.start[users], self.targets.of(users))


@dataclass(frozen=True, eq=False)
class Flat:
    """Candidates of lists that can be told right from wrong, one below another.

    Attributes
    ----------
    features, labels, start
        A row a candidate: its features, whether it was wanted, and the blend's score.
    groups
        Candidates of each list, in order.
    spread
        Mean over users of the blend's best less its last score.
    """

    features: Floats
    labels: npt.NDArray[np.bool_]
    start: Floats
    groups: npt.NDArray[np.int64]
    spread: float


def spans(start: Floats) -> Floats:
    """Of each user the blend's best less its last score; not finite where there is no candidate."""
    last = np.where(np.isfinite(start), start, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(start[:, 0] - last, dtype=np.float32)


def flat(examples: Sequence[Examples]) -> Flat:
    """The candidates of all users with a wanted and an unwanted one.

    Raises
    ------
    ContractError
        There is no such user.
    """
    parts = []
    for each in examples:
        there, hits = np.isfinite(each.start), each.targets.hits
        tells = hits.any(axis=1) & (there & ~hits).any(axis=1)
        parts.append((each.of(np.flatnonzero(tells)), there[tells]))
    if not any(len(there) for _, there in parts):
        raise ContractError(
            "no user's candidates hold a wanted and an unwanted item",
            where="training of the re-ranker",
            fix="cut a larger share of the interactions, or rank by the blend",
        )
    spreads = [spans(each.start) for each, _ in parts]
    return Flat(
        np.concatenate([each.features[there] for each, there in parts]),
        np.concatenate([each.targets.hits[there] for each, there in parts]),
        np.concatenate([each.start[there] for each, there in parts]),
        np.concatenate([there.sum(axis=1) for _, there in parts]),
        max(float(np.concatenate(spreads).mean()), 1e-12),
    )
