"""A backtest by segment: of users (activity, region, cohort) and of items (popularity, age)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.backtest import Backtest
from recsys_batch.evaluation.report import BASELINE
from recsys_batch.evaluation.segments import (
    activity_labels,
    age_labels,
    by_item_segment,
    by_user_segment,
    popularity_labels,
)
from recsys_batch.models.training import Training
from recsys_batch.ranking.backtest import Holdout

_POWER_SHARE = 0.8  # of users below a power user's number of items
_HEAD_SHARE = 0.5  # of all interactions that the head has
_AGES = (7.0, 30.0)  # days


def breakdown(
    found: Backtest, holdout: Holdout, trained_on: Training, *, settings: EvaluationSettings
) -> list[dict[str, Any]]:
    """Rows of the table `segments`, without their run, of the lists and of popularity.

    Users are new (without a history), light, or power users (the fifth with most items); items are
    head (the fewest that have half of all interactions) or tail, and so many days old.
    """
    weights = trained_on.data.weights
    items_of = np.diff(weights.indptr)
    known = items_of[items_of > 0]
    power = int(np.quantile(known, _POWER_SHARE, method="higher")) if len(known) else 1
    activity = activity_labels(items_of[holdout.rows], power_from=max(power, 2))
    popularity = np.bincount(weights.indices, minlength=weights.shape[1])
    data = trained_on.data
    of_users = [
        (dimension, np.array([*names, None], dtype=object)[codes[rows]])
        for dimension, names, codes, rows in (
            ("region", trained_on.region_names, data.regions, holdout.regional_rows),
            ("cohort", trained_on.cohort_names, data.cohorts, holdout.rows),
        )
        if codes is not None and len(names) > 1
    ]
    rows: list[dict[str, Any]] = []
    for model in ("lists", BASELINE):
        scores, lists = found.scores[model], found.lists[model]
        tables = [
            by_user_segment(scores, labels=labels, dimension=dimension)
            for dimension, labels in (("activity", activity), *of_users)
        ]
        for dimension, labels in (
            ("popularity", popularity_labels(popularity, head_share=_HEAD_SHARE)),
            ("item_age", age_labels(trained_on.item_days.astype(np.float64), edges=_AGES)),
        ):
            tables.append(
                by_item_segment(
                    lists, holdout.relevant, labels=labels, dimension=dimension, settings=settings
                )
            )
        rows += [{c.MODEL: model, **row} for row in pa.concat_tables(tables).to_pylist()]
    return rows
