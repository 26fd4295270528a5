"""Figures by segment: who is in which, as known when they came."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
from models.feature_tables import USERS, table
from ranking.cases import model, ranker, recipe, trained

from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.backtest import backtest
from recsys_batch.evaluation.breakdown import breakdown
from recsys_batch.models.sources import CohortSettings
from recsys_batch.ranking.backtest import make_holdout

SETTINGS = EvaluationSettings(k=2, recall_k=2, resamples=100)
PEOPLE = {"warm": "north", "other": "south", "lone": None}
COHORTS = {"warm": "new", "other": "loyal"}
CAME = [("x", "north", "loyal"), ("y", "moon", None), ("warm", "south", "loyal")]


def users_by_segment(cohorts: dict[str, str]) -> dict[str, dict[str, int]]:
    known = trained(
        ["a", "b"],
        ("warm", "a", 1.0, "purchase", True, 1),
        ("other", "b", 1.0, "purchase", True, 1),
        users=PEOPLE,
        cohorts=cohorts,
        popular={None: {"a": 1.0}},
    )
    made = model(known, recipe({"peers": CohortSettings()}))
    wanted = pa.table({"user_key": ["x", "y", "warm", "lone"], "item_id": ["a", "a", "b", "b"]})
    holdout = make_holdout(wanted, table(USERS, CAME), known)
    found = backtest(made, holdout, under=partial(ranker, n=2), champion=None, settings=SETTINGS)
    counts: dict[str, dict[str, int]] = {}
    for row in breakdown(found, holdout, known, settings=SETTINGS):
        if row["model"] == "lists" and row["metric"] == "ndcg@2":
            counts.setdefault(row["dimension"], {})[row["segment"]] = row["users"]
    return counts


def test_users_are_of_the_region_and_cohort_that_training_knows_or_they_came_with():
    found = users_by_segment(COHORTS)
    assert found["region"] == {"north": 2, "unknown": 2}  # warm's is what training knows
    assert found["cohort"] == {"loyal": 1, "new": 1, "unknown": 2}
    assert found["activity"] == {"light": 1, "new": 3}
    assert set(found) == {"activity", "region", "cohort", "popularity", "item_age"}


def test_one_cohort_is_no_segment():
    assert "cohort" not in users_by_segment({"warm": "new"})
