"""A run's backtest: its lists, popularity and the champion's recipe on the same hold-out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.scores import Scores, evaluate
from recsys_batch.models.training import Training
from recsys_batch.ranking.backtest import Holdout


def backtest(
    lists: Mapping[str, npt.NDArray[np.int32]],
    holdout: Holdout,
    trained_on: Training,
    *,
    categories: pa.Array,
    settings: EvaluationSettings,
    exclude_seen: bool,
) -> dict[str, Scores]:
    """Score models on one hold-out.

    Parameters
    ----------
    lists
        Model to its lists of the hold-out's users, users x depth (`list_depth`).
    trained_on
        What the models were fitted on.
    categories
        Category of each item of the training, null for unknown.
    exclude_seen
        Whether the lists leave seen items out.
    """
    weights = trained_on.data.weights
    depth = list_depth(settings)
    open_ = trained_on.recommendable
    seen = np.zeros(len(holdout.rows), dtype=np.int64)
    if exclude_seen:
        seen = np.asarray(trained_on.seen[holdout.rows][:, open_].sum(axis=1)).ravel().astype(int)
    codes = pc.dictionary_encode(categories, null_encoding="mask").indices
    return {
        name: evaluate(
            found,
            holdout.relevant,
            settings=settings,
            item_popularity=np.bincount(weights.indices, minlength=weights.shape[1]),
            item_categories=pc.fill_null(codes, -1).to_numpy().astype(np.int64),
            n_items=weights.shape[1],
            training_users=int((np.diff(weights.indptr) > 0).sum()),
            cold_users=holdout.cold,
            expected_lengths=np.minimum(depth, int(open_.sum()) - seen),
        )
        for name, found in lists.items()
    }


def list_depth(settings: EvaluationSettings) -> int:
    """Items that a list must hold for every metric."""
    return max(settings.k, settings.recall_k)
