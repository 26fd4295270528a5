"""The re-ranker: gradient-boosted trees that correct the blend where held-out data say so.

LambdaRank (Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82) as
LightGBM has it, begun from the blend's scores: a score is the sum of the sources' parts and one
further part, the correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from recsys_batch.errors import ContractError
from recsys_batch.models.recipes import Trees
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.features import History, candidate_features, feature_names
from recsys_batch.ranking.validation import Wanted, best_places

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = npt.NDArray[np.float32]
_BLOCK_USERS = 2000


class RerankerSettings(BaseModel):
    """How the trees are grown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    depth: int = Field(150, ge=2, description="Best candidates by the blend that are re-ranked.")
    k: int = Field(20, ge=1, description="Depth of the NDCG that is raised.")
    trees: int = Field(200, ge=1, description="Boosting rounds.")
    leaves: int = Field(31, ge=2, description="Leaves of a tree.")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Shrinkage of a tree.")
    min_leaf: int = Field(200, ge=1, description="Candidates a leaf must hold.")
    column_share: float = Field(0.7, gt=0, le=1, description="Features a tree may use.")
    start_range: float = Field(
        3.0, gt=0, description="From best to last candidate, what the blend's scores are scaled to."
    )
    l2: float = Field(10.0, ge=0, description="L2 penalty of the leaves.")
    seed: int = Field(1, ge=0, description="Seed of the draws.")
    folds: int = Field(
        2, ge=2, description="Parts of the users in the trial; trees are judged by what they lack."
    )


@dataclass(frozen=True, eq=False)
class Lesson:
    """What trees learn from, and are judged by.

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
    rows: npt.NDArray[np.integer]
    history: History

    def of(self, users: npt.NDArray[np.integer]) -> Lesson:
        """The lesson of some of the users."""
        rows = self.rows[users]
        return Lesson(self.candidates.of(users), self.targets.of(users), rows, self.history)


@dataclass(frozen=True, eq=False)
class Reranker:
    """A blend and the trees that correct it.

    Attributes
    ----------
    scale
        What the blend's scores were multiplied by before the trees were grown: LambdaRank weighs a
        pair by how far apart its scores are, so that their unit matters.
    """

    blend: Blend
    booster: Booster
    scale: float
    settings: RerankerSettings

    def corrections(
        self, candidates: Candidates, rows: npt.NDArray[np.integer], history: History
    ) -> Floats:
        """What the trees add to each candidate's score, users x width; -inf below the depth.

        Parameters
        ----------
        rows
            Row of each user in `history`.
        """
        out = np.full(candidates.items.shape, -np.inf, dtype=np.float32)
        for first in range(0, len(rows), _BLOCK_USERS):
            users = slice(first, first + _BLOCK_USERS)
            part = candidates.of(users)
            blended = self.blend.scores(part)
            places = best_places(blended, self.settings.depth)
            features = candidate_features(part, blended, places, rows[users], history)
            flat = features.reshape(-1, features.shape[2])
            added = np.asarray(self.booster.predict(flat, num_threads=1), dtype=np.float32)
            added = added.reshape(places.shape) / np.float32(self.scale)
            np.put_along_axis(out[users], places, added, axis=1)
        out[candidates.items < 0] = -np.inf
        return out

    def scores(
        self, candidates: Candidates, rows: npt.NDArray[np.integer], history: History
    ) -> Floats:
        """Blend plus correction, users x width; -inf where there is nothing to rank."""
        summed = self.blend.parts(candidates).sum(axis=0)
        return np.asarray(summed + self.corrections(candidates, rows, history), dtype=np.float32)


def fit_reranker(blend: Blend, lessons: Sequence[Lesson], settings: RerankerSettings) -> Reranker:
    """Learn the correction from what users of validations wanted.

    Raises
    ------
    ContractError
        No user's best candidates hold a wanted and an unwanted one.
    """
    import lightgbm

    told = [_Told.of(blend, lesson, settings) for lesson in lessons]
    spreads = np.concatenate([each.spreads for each in told])
    if not len(spreads):
        raise ContractError(
            "no user's candidates hold a wanted and an unwanted item",
            where="training of the re-ranker",
            fix="cut a larger share of the interactions, or rank by the blend",
        )
    scale = settings.start_range / max(float(spreads.mean()), 1e-12)
    data = lightgbm.Dataset(
        np.concatenate([each.features for each in told]),
        label=np.concatenate([each.labels for each in told]),
        group=np.concatenate([each.groups for each in told]),
        init_score=np.concatenate([each.start for each in told]) * scale,
        feature_name=feature_names(lessons[0].candidates.sources),
        params={"verbose": -1},
    )
    booster = lightgbm.train(_parameters(settings), data, num_boost_round=settings.trees)
    return Reranker(blend, booster, scale, settings)


@dataclass(frozen=True, eq=False)
class _Told:
    """The best candidates of users whose lists can be told right from wrong, one below another."""

    features: Floats
    labels: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]
    start: Floats
    spreads: Floats

    @classmethod
    def of(cls, blend: Blend, lesson: Lesson, settings: RerankerSettings) -> _Told:
        blended = blend.scores(lesson.candidates)
        places = best_places(blended, settings.depth)
        labels = np.take_along_axis(lesson.targets.hits, places, axis=1)
        start = np.take_along_axis(blended, places, axis=1)
        there = np.isfinite(start)
        tells = labels.any(axis=1) & (there & ~labels).any(axis=1)
        part, kept = lesson.candidates.of(np.flatnonzero(tells)), there[tells]
        described = candidate_features(
            part, blended[tells], places[tells], lesson.rows[tells], lesson.history
        )
        begun = np.where(there, start, np.inf)[tells]
        return cls(
            described[kept],
            labels[tells][kept],
            kept.sum(axis=1),
            start[tells][kept],
            begun[:, 0] - begun.min(axis=1),
        )


def stored_trees(reranker: Reranker) -> Trees:
    """The trees as a recipe keeps them."""
    text = reranker.booster.model_to_string()
    return Trees(model=text, scale=reranker.scale, depth=reranker.settings.depth)


def read_trees(trees: Trees, blend: Blend, *, n: int) -> Reranker:
    """The re-ranker of a recipe, for lists of n items."""
    import lightgbm

    settings = RerankerSettings(depth=max(trees.depth, n))
    return Reranker(blend, lightgbm.Booster(model_str=trees.model), trees.scale, settings)


def _parameters(settings: RerankerSettings) -> dict[str, object]:
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": settings.k + 10,
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_leaf,
        "feature_fraction": settings.column_share,
        "lambda_l2": settings.l2,
        "seed": settings.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }
