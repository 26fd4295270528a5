"""A run's backtest: its lists, popularity and the champion's recipe on the same hold-out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.scores import Scores, evaluate
from recsys_batch.models.training import Training
from recsys_batch.ranking.backtest import Holdout


def backtest(
    lists: Mapping[str, npt.NDArray[np.int32]],
    holdout: Holdout,
    trained_on: Training,
    *,
    available: npt.NDArray[np.int64],
    settings: EvaluationSettings,
) -> dict[str, Scores]:
    """Score models on one hold-out.

    Parameters
    ----------
    lists
        Model to its lists of the hold-out's users, users x depth (`list_depth`).
    trained_on
        What the models were fitted on.
    available
        Items that each user's list may choose from.
    """
    weights = trained_on.data.weights
    return {
        name: evaluate(
            found,
            holdout.relevant,
            settings=settings,
            item_popularity=np.bincount(weights.indices, minlength=weights.shape[1]),
            item_categories=trained_on.categories.astype(np.int64),
            n_items=weights.shape[1],
            training_users=int((np.diff(weights.indptr) > 0).sum()),
            cold_users=holdout.cold,
            expected_lengths=np.minimum(list_depth(settings), available),
        )
        for name, found in lists.items()
    }


def list_depth(settings: EvaluationSettings) -> int:
    """Items that a list must hold for every metric."""
    return max(settings.k, settings.recall_k)
