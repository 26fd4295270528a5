"""A run's backtest: its lists, popularity and the champion's recipe on the same hold-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.report import BASELINE, EXACT
from recsys_batch.evaluation.scores import Scores, evaluate
from recsys_batch.models.engines import FitAls
from recsys_batch.models.recipes import POPULAR, Recipe
from recsys_batch.ranking.backtest import Holdout, alone_lists, ranker_lists
from recsys_batch.ranking.model import RankingModel, fit_model
from recsys_batch.ranking.ranker import Ranker


@dataclass(frozen=True, eq=False)
class Backtest:
    """Models scored on one hold-out, by name.

    The names are popularity, lists, champion where there is another one, `EXACT` where factors
    were rounded, and ``SOURCE alone`` of each further source.

    Attributes
    ----------
    lists
        int32 item rows, users of the hold-out x `list_depth`.
    scores
        What they reach.
    """

    lists: dict[str, npt.NDArray[np.int32]]
    scores: dict[str, Scores]


def backtest(
    model: RankingModel,
    holdout: Holdout,
    *,
    under: Callable[[RankingModel], Ranker],
    champion: Recipe | None,
    settings: EvaluationSettings,
    fit_als: FitAls | None = None,
) -> Backtest:
    """Score a run on its hold-out.

    Parameters
    ----------
    model
        The run's recipe, fitted on what was known before the hold-out, its factors not yet rounded.
    under
        Puts a model under the run's rules, for lists of `list_depth` items.
    champion
        The recipe that is live, to be fitted on the same where it is another one.
    fit_als
        What fits its sources of kind `als`, as it did the model's; None: their own `fit`.
    """
    served, trained_on = model.rounded(), model.trained_on
    ranker, rows = under(served), holdout.rows_under(model.recipe)
    with threadpool_limits(limits=1, user_api="blas"):  # as the tasks that make lists
        alone = alone_lists(ranker, rows)
        ours, likely = ranker_lists(ranker, rows)
        lists, told = {BASELINE: alone.pop(POPULAR), "lists": ours}, {"lists": likely}
        if champion is not None and champion != model.recipe:
            other = fit_model(trained_on, champion, fit_als=fit_als, precision=model.precision)
            theirs, asked = under(other.rounded()), holdout.rows_under(champion)
            lists["champion"], told["champion"] = ranker_lists(theirs, asked)
        if served is not model:
            lists[EXACT], told[EXACT] = ranker_lists(under(model), rows)
    lists |= {f"{name} alone": found for name, found in alone.items()}
    weights = trained_on.data.weights
    score = partial(
        evaluate,
        truth=holdout.relevant,
        settings=settings,
        item_popularity=np.bincount(weights.indices, minlength=weights.shape[1]),
        item_categories=trained_on.categories.astype(np.int64),
        n_items=weights.shape[1],
        training_users=int(model.known.sum()),
        cold_users=holdout.cold,
        expected_lengths=np.minimum(list_depth(settings), ranker.available(rows)),
    )
    scores = {name: score(found, probabilities=told.get(name)) for name, found in lists.items()}
    return Backtest(lists, scores)


def list_depth(settings: EvaluationSettings) -> int:
    """Items that a list must hold for every metric."""
    return max(settings.k, settings.recall_k)
