"""LambdaRank (LightGBM), begun from the blend's scores, which its trees correct.

Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.boosting import lightgbm
from recsys_batch.ranking.examples import Examples, Flat, flat
from recsys_batch.ranking.features import feature_names
from recsys_batch.ranking.reranker import Reranker, RerankerSettings

Floats = npt.NDArray[np.float32]


def fit_lambdarank(
    blend: Blend, examples: Sequence[Examples], settings: RerankerSettings
) -> Reranker:
    """Learn the correction from what users of validations wanted.

    Raises
    ------
    ContractError
        No user's best candidates hold a wanted and an unwanted one.
    """
    return lambdarank(blend, flat(examples), settings)


def lambdarank(
    blend: Blend, told: Flat, settings: RerankerSettings, *, weights: Floats | None = None
) -> Reranker:
    """Grow trees that raise the NDCG of groups of candidates.

    Parameters
    ----------
    weights
        What each candidate counts; None: one.
    """
    scale = settings.start_range / told.spread
    data = lightgbm().Dataset(
        told.features,
        label=told.labels,
        group=told.groups,
        weight=weights,
        init_score=told.start * scale,
        feature_name=feature_names(blend.sources),
        params={"verbose": -1},
    )
    booster = lightgbm().train(_parameters(settings), data, num_boost_round=settings.trees)
    return Reranker(blend, booster, "lambdarank", scale, settings.depth)


def _parameters(settings: RerankerSettings) -> dict[str, object]:
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": settings.truncation or settings.k + 10,
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
