"""The re-ranker: gradient-boosted trees that correct the blend where held-out data say so.

LambdaRank (Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82) as
LightGBM has it, begun from the blend's scores: a score is the sum of the sources' parts and one
further part, the correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from recsys_batch.errors import ContractError
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


def fit_reranker(
    blend: Blend,
    candidates: Candidates,
    targets: Wanted,
    rows: npt.NDArray[np.integer],
    history: History,
    settings: RerankerSettings,
) -> Reranker:
    """Learn the correction from what users of a validation wanted.

    Parameters
    ----------
    candidates, targets
        Candidates of sources fitted without the validation, and which of them were wanted.
    rows
        Row of each user in `history`.
    history
        Of the interactions that the sources were fitted on.

    Raises
    ------
    ContractError
        No user's best candidates hold a wanted and an unwanted one.
    """
    import lightgbm

    blended = blend.scores(candidates)
    places = best_places(blended, settings.depth)
    labels = np.take_along_axis(targets.hits, places, axis=1)
    start = np.take_along_axis(blended, places, axis=1)
    there = np.isfinite(start)
    tells = labels.any(axis=1) & (there & ~labels).any(axis=1)
    if not tells.any():
        raise ContractError(
            "no user's candidates hold a wanted and an unwanted item",
            where="training of the re-ranker",
            fix="cut a larger share of the interactions, or rank by the blend",
        )
    part = candidates.of(np.flatnonzero(tells))
    described = candidate_features(part, blended[tells], places[tells], rows[tells], history)
    kept = there[tells]
    begun = np.where(there, start, np.inf)[tells]
    spread = float((begun[:, 0] - begun.min(axis=1)).mean())
    scale = settings.start_range / max(spread, 1e-12)
    data = lightgbm.Dataset(
        described[kept],
        label=labels[tells][kept],
        group=kept.sum(axis=1),
        init_score=start[tells][kept] * scale,
        feature_name=feature_names(candidates.sources),
        params={"verbose": -1},
    )
    booster = lightgbm.train(_parameters(settings), data, num_boost_round=settings.trees)
    return Reranker(blend, booster, scale, settings)


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
