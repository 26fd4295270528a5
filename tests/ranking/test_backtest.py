"""The backtest equals what is computed by hand, and sees nothing of the hold-out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ranking.cases import catalog
from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.backtest import backtest
from recsys_batch.ranking.backtest import backtest_lists, make_holdout
from recsys_batch.ranking.inputs import ranking_input

pytestmark = pytest.mark.spark

SHOP = catalog(
    ["a", "b", "c", "d", "e"],
    vectors={"a": [1.0], "b": [2.0], "c": [3.0], "d": [4.0]},
    popular={"a": 1.0, "b": 0.5, "c": 0.25},
    blocked=["d"],
)
WANTED = pa.table(
    {
        "user_key": ["warm", "warm", "cold", "other", "warm"],
        "item_id": ["a", "e", "b", "c", "d"],
    }
)
TRAINED = [  # user, item, weight, type, seen
    ("warm", "c", 1.0, "purchase", True),
    ("other", "a", 1.0, "purchase", True),
    ("other", "b", 1.0, "view", False),
    ("absent", "a", 1.0, "purchase", True),
]
SETTINGS = EvaluationSettings(k=2, recall_k=4, resamples=100)


@pytest.fixture(scope="module")
def holdout():
    return make_holdout(WANTED, SHOP)


@pytest.fixture(scope="module")
def frames(spark, holdout):
    """Users of the hold-out with and without factors."""
    users = spark.createDataFrame(
        [(user, None) for user in holdout.users.to_pylist()], "user_key STRING, region STRING"
    )
    pairs = spark.createDataFrame(
        TRAINED, "user_key STRING, item_id STRING, weight DOUBLE, event_type STRING, seen BOOLEAN"
    )
    factors = spark.createDataFrame(
        [("warm", [1.0]), ("other", [-1.0])], "user_key STRING, factors ARRAY<FLOAT>"
    )
    return {
        "lists": ranking_input(users, factors, pairs).persist(),
        "popularity": ranking_input(users, factors.where("false"), pairs).persist(),
    }


def scored(frames, holdout, *, exclude_seen: bool = True):
    names = ("user_key", "item_id", "seen")
    columns = list(zip(*[(user, item, seen) for user, item, _, _, seen in TRAINED], strict=True))
    return backtest(
        {name: (frame, SHOP) for name, frame in frames.items()},
        holdout,
        interactions=pa.table(dict(zip(names, map(list, columns), strict=True))),
        categories=pa.array(["x", "x", "y", None, "y"]),
        settings=SETTINGS,
        exclude_seen=exclude_seen,
    )


def test_the_holdout_is_indexed_by_sorted_users_and_the_catalogs_rows(holdout):
    assert holdout.users.to_pylist() == ["cold", "other", "warm"]
    assert holdout.relevant.toarray().tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1],
    ]


def test_lists_are_those_that_production_would_make(frames, holdout):
    lists = backtest_lists(frames["lists"], SHOP, holdout, n=4, exclude_seen=True)
    a, b, c, e = 0, 1, 2, 4
    assert lists.dtype == np.int32
    assert lists.tolist() == [
        [a, b, c, e],  # cold: what is popular
        [b, c, e, -1],  # other: the model turned round, a is seen, d is blocked
        [b, a, e, -1],  # warm: c is seen, e is not modelled and comes by popularity
    ]


def test_metrics_equal_those_by_hand(frames, holdout):
    scores = scored(frames, holdout)["lists"]
    # Of the first two: cold finds b at 2, other finds c at 2, warm finds a at 2 (of three wanted).
    at_two = 1 / np.log2(3)
    ideal = 1 + at_two
    assert scores.per_user["ndcg"] == pytest.approx([at_two, at_two, at_two / ideal])
    assert scores.per_user["precision"].tolist() == [0.5, 0.5, 0.5]
    assert scores.per_user["recall"] == pytest.approx([1, 1, 2 / 3])  # of the first four
    assert scores.per_user["hit_rate"].tolist() == [1, 1, 1]
    assert scores.per_user["cold_users"].tolist() == [1, 0, 0]
    assert scores.means["cold_users"].value == pytest.approx(1 / 3)
    assert scores.catalogue["coverage"].value == pytest.approx(3 / 5)  # a, b, c
    assert (scores.users, scores.empty_lists, scores.short_lists) == (3, 0, 0)


def test_popularity_knows_no_factors(frames, holdout):
    lists = backtest_lists(frames["popularity"], SHOP, holdout, n=2, exclude_seen=True)
    assert lists.tolist() == [[0, 1], [1, 2], [0, 1]]
    both = scored(frames, holdout)
    assert both["popularity"].per_user["precision"].tolist() == [0.5, 0.5, 0.5]
    assert both["popularity"].per_user["ndcg"][2] > both["lists"].per_user["ndcg"][2]


def test_where_repeats_are_allowed_what_was_seen_may_come_again(frames, holdout):
    lists = backtest_lists(frames["lists"], SHOP, holdout, n=4, exclude_seen=False)
    assert lists.tolist() == [[0, 1, 2, 4], [0, 1, 2, 4], [2, 1, 0, 4]]
    assert scored(frames, holdout, exclude_seen=False)["lists"].short_lists == 0


def test_lists_do_not_depend_on_what_is_held_out(frames, holdout):
    """The hold-out says for whom lists are made, never what is in them."""
    swapped = pa.table({"user_key": ["warm", "cold", "other"], "item_id": ["b", "e", "e"]})
    other = make_holdout(swapped, SHOP)
    for name in frames:
        np.testing.assert_array_equal(
            backtest_lists(frames[name], SHOP, holdout, n=4, exclude_seen=True),
            backtest_lists(frames[name], SHOP, other, n=4, exclude_seen=True),
        )


def test_an_empty_holdout_scores_nobody(frames):
    nobody = make_holdout(WANTED.slice(0, 0), SHOP)
    empty = {name: frame.where("false") for name, frame in frames.items()}
    scores = scored(empty, nobody)["lists"]
    assert scores.users == 0
    assert np.isnan(scores.means["ndcg"].value)
