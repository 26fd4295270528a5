"""The benchmark of workers ranks a model whose lists are whole and hold nothing seen."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.speed.workers import DAY, ranking_model
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.runner import rank_users

pytestmark = pytest.mark.spark


def test_its_model_gives_every_user_a_full_list_of_items_not_seen(spark, tmp_path):
    model = ranking_model(300, 200, 8, seed=1)
    model.save(tmp_path / "workers.model")
    ranked = rank_users(
        spark, tmp_path / "workers.model", Policy(version="1"), as_of=DAY, run_id="r", n=20
    ).collect()
    assert len(ranked) == 300
    places = {name: place for place, name in enumerate(model.trained_on.ids)}
    seen = model.trained_on.seen
    assert 20 < np.diff(seen.indptr)[:300].mean() < 34
    for row in ranked:
        user = int(row["user_key"], 16)
        items = [places[each["item_id"]] for each in row["items"]]
        assert len(items) == len(set(items)) == 20
        assert not set(items) & set(seen[user].indices)
