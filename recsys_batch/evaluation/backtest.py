"""A run's backtest: its lists, popularity and the champion's recipe on the same hold-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.scores import Scores, evaluate
from recsys_batch.ranking.backtest import Holdout, backtest_lists
from recsys_batch.ranking.catalog import Catalog

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def backtest(
    models: Mapping[str, tuple[DataFrame, Catalog]],
    holdout: Holdout,
    *,
    interactions: pa.Table,
    categories: pa.Array,
    settings: EvaluationSettings,
    exclude_seen: bool,
) -> dict[str, Scores]:
    """Score models on one hold-out.

    Parameters
    ----------
    models
        Name to (`ranking_input` of the hold-out's users, catalog with that model's factors).
    interactions
        Of the training part: user_key, item_id, seen.
    categories
        Category of each item of the catalog, null for unknown.
    exclude_seen
        Whether seen items are left out, as in production.
    """
    catalog = next(iter(models.values()))[1]
    depth = max(settings.k, settings.recall_k)
    ids = pa.array(catalog.ids, pa.string())
    columns = pc.index_in(interactions[c.ITEM_ID].combine_chunks(), value_set=ids).to_numpy()
    popularity = np.bincount(columns, minlength=len(ids))
    rows = pc.index_in(interactions[c.USER_KEY].combine_chunks(), value_set=holdout.users)
    owners = pc.fill_null(rows, -1).to_numpy()
    taken = (owners >= 0) & catalog.allowed[columns]
    if exclude_seen:
        taken &= interactions[c.SEEN].to_numpy().astype(bool)
        seen = np.bincount(owners[taken], minlength=len(holdout.users))
    else:
        seen = np.zeros(len(holdout.users), dtype=np.int64)
    warm = np.zeros(len(holdout.users), dtype=bool)
    warm[owners[owners >= 0]] = True
    codes = pc.dictionary_encode(categories, null_encoding="mask").indices
    scores = {}
    for name, (users, known) in models.items():
        lists = backtest_lists(users, known, holdout, n=depth, exclude_seen=exclude_seen)
        scores[name] = evaluate(
            lists,
            holdout.relevant,
            settings=settings,
            item_popularity=popularity,
            item_categories=pc.fill_null(codes, -1).to_numpy().astype(np.int64),
            n_items=len(ids),
            training_users=len(pc.unique(interactions[c.USER_KEY])),
            cold_users=~warm,
            expected_lengths=np.minimum(depth, int(catalog.allowed.sum()) - seen),
        )
    return scores
