"""The re-ranker: gradient-boosted trees that correct the blend where held-out data say so.

A score is the sum of the sources' parts and one further part, the correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from recsys_batch.models.recipes import Trees
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.boosting import lightgbm
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.examples import described
from recsys_batch.ranking.features import History

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = npt.NDArray[np.float32]
_BLOCK_USERS = 2000
_TIES = 0.005  # weight of the blend beside trees that replace it: they leave candidates equal


class RerankerSettings(BaseModel):
    """How the trees are grown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    depth: int = Field(150, ge=2, description="Best candidates by the blend that are re-ranked.")
    k: int = Field(20, ge=1, description="Depth of the NDCG that is raised.")
    truncation: int | None = Field(
        None,
        ge=1,
        description="Places whose order LambdaRank weighs, from the first; null: 10 more than k.",
    )
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
class Reranker:
    """A blend and the trees that correct it.

    Attributes
    ----------
    kind
        lambdarank: the trees began from the blend's scores, and are added to them. pointwise:
        they know the blend's score as a feature, and take its place.
    scale
        What the blend's scores were multiplied by before the trees were grown, so that theirs are
        divided by it: LambdaRank weighs a pair by how far apart its scores are, so that their unit
        matters.
    depth
        Best candidates by the blend that are re-ranked.
    """

    blend: Blend
    booster: Booster
    kind: Literal["lambdarank", "pointwise"]
    scale: float
    depth: int

    def added(self, features: Floats, start: Floats) -> Floats:
        """What the trees add to candidates' scores; -inf where there is none.

        Parameters
        ----------
        features
            Candidates' features, on the last axis.
        start
            The blend's scores, of the features' shape but for that axis.
        """
        rows = features.reshape(-1, features.shape[-1])
        told = np.asarray(
            self.booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float32
        )
        added = told.reshape(start.shape) / np.float32(self.scale)
        there = np.isfinite(start)
        if self.kind == "pointwise":
            added = added - np.float32(1 - _TIES) * np.where(there, start, np.float32(0.0))
        return np.where(there, added, np.float32(-np.inf)).astype(np.float32)

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
            places, start, features = described(
                self.blend, part, rows[users], history, depth=self.depth
            )
            added = self.added(features, start)
            np.put_along_axis(out[users], places, added, axis=1)
        return out

    def scores(
        self, candidates: Candidates, rows: npt.NDArray[np.integer], history: History
    ) -> Floats:
        """Blend plus correction, users x width; -inf where there is nothing to rank."""
        summed = self.blend.parts(candidates).sum(axis=0)
        return np.asarray(summed + self.corrections(candidates, rows, history), dtype=np.float32)


def stored_trees(reranker: Reranker, name: str) -> Trees:
    """The trees as a recipe keeps them, by the name they were tried under."""
    return Trees(
        name=name,
        model=reranker.booster.model_to_string(),
        kind=reranker.kind,
        scale=reranker.scale,
        depth=reranker.depth,
    )


def read_trees(trees: Trees, blend: Blend, *, n: int) -> Reranker:
    """The re-ranker of a recipe, for lists of n items."""
    booster = lightgbm().Booster(model_str=trees.model)
    return Reranker(blend, booster, trees.kind, trees.scale, max(trees.depth, n))
