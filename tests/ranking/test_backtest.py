"""The backtest equals what is computed by hand, and sees nothing of the hold-out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from models.feature_tables import USERS, table

from ranking.cases import model, ranker, recipe, row, trained
from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.backtest import backtest, list_depth
from recsys_batch.evaluation.report import EXACT, quality_rows, rounding_loss
from recsys_batch.models.recipes import Calibration
from recsys_batch.models.sources import CohortSettings, RegionalSettings
from recsys_batch.ranking.backtest import Holdout, alone_lists, make_holdout, ranker_lists
from recsys_batch.ranking.model import RankingModel

A, B, C, D, E = range(5)
SHOP = trained(
    ["a", "b", "c", "d", "e"],
    ("warm", "c", 1.0, "purchase", True, 1),
    ("other", "a", 1.0, "purchase", True, 1),
    ("other", "b", 1.0, "view", False, 1),
    ("absent", "a", 1.0, "purchase", True, 1),
    users={"warm": None, "other": None, "absent": "north", "idle": "north"},
    popular={None: {"a": 4.0, "b": 2.0, "c": 1.0}, "north": {"e": 4.0}},
    blocked=["d"],
)
WANTED = pa.table(
    {
        "user_key": ["warm", "warm", "new", "other", "warm", "idle"],
        "item_id": ["a", "e", "b", "c", "d", "a"],
    }
)
PEOPLE = table(USERS, [("new", "north"), ("warm", "moon"), ("idle", "north")])
SETTINGS = EvaluationSettings(k=2, recall_k=4, resamples=100)
VECTORS = {
    "users": {"warm": [1.0], "other": [-1.0]},
    "items": {"a": [1.0], "b": [2.0], "c": [3.0], "d": [4.0]},
}


@pytest.fixture(scope="module")
def holdout() -> Holdout:
    return make_holdout(WANTED, PEOPLE, SHOP)


@pytest.fixture(scope="module")
def shop() -> RankingModel:
    return made(seen="exclude")


def made(**changed: object) -> RankingModel:
    near = {"near": RegionalSettings(prior=1.0)}
    weights = {"als": 1.0, "popular": 0.0, "near": 0.0}
    return model(SHOP, recipe(near, weights, newcomers="near", **changed), **VECTORS)


def scored(shop, holdout, champion=None):
    under = partial(ranker, n=list_depth(SETTINGS))
    return backtest(shop, holdout, under=under, champion=champion, settings=SETTINGS).scores


def test_the_holdout_is_of_sorted_users_who_may_be_strangers(holdout):
    assert holdout.keys.tolist() == [b"idle", b"new", b"other", b"warm"]
    new = SHOP.stranger("north")
    assert holdout.rows.tolist() == [row(SHOP, "idle"), new, row(SHOP, "other"), row(SHOP, "warm")]
    assert holdout.cold.tolist() == [True, True, False, False]
    assert holdout.relevant.toarray().tolist() == [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1],
    ]


def test_a_stranger_of_an_unknown_region_gets_the_list_of_all():
    wanted = pa.table({"user_key": ["x", "y"], "item_id": ["a", "a"]})
    found = make_holdout(wanted, table(USERS, [("x", "moon")]), SHOP)
    assert found.rows.tolist() == [SHOP.stranger(None)] * 2


def test_a_stranger_gets_the_list_of_the_cohort_where_there_is_one_else_of_the_region():
    """As the edge answers: the levels are user, cohort, region, global."""
    known = trained(
        ["a", "b", "c"],
        ("warm", "b", 9.0, "purchase", True, 1),
        users={"warm": "north", "here": "north"},
        cohorts={"warm": "new", "here": "new"},
        popular={None: {"a": 1.0}, "north": {"c": 9.0}},
    )
    people = [
        ("x", "north", "new"),
        ("y", "north", "gone"),
        ("z", "moon", "gone"),
        ("here", "north", "new"),
    ]
    wanted = pa.table({"user_key": ["x", "y", "z", "here"], "item_id": ["b", "c", "a", "b"]})
    found = make_holdout(wanted, table(USERS, people), known)
    here, north = row(known, "here"), known.stranger("north")
    peers = known.stranger(None, "new")
    assert found.rows.tolist() == [here, peers, north, known.stranger(None)]
    assert found.regional_rows.tolist() == [here, north, north, known.stranger(None)]
    assert found.cold.all()
    near = {"near": RegionalSettings(prior=1.0)}
    blind = model(known, recipe(near, newcomers="near"))
    telling = model(known, recipe({**near, "peers": CohortSettings(prior=1.0)}, newcomers="peers"))
    assert found.rows_under(blind.recipe).tolist() == found.regional_rows.tolist()
    assert found.rows_under(telling.recipe).tolist() == found.rows.tolist()
    scores = scored(telling, found, champion=blind.recipe)
    hits = {name: scores[name].per_user["ndcg"] > 0 for name in ("lists", "champion")}
    assert hits["lists"].tolist() == [True, True, True, True]  # here, x, y, z; k is 2
    assert hits["champion"].tolist() == [False, False, True, True]  # x is given the north's


def test_lists_are_those_that_production_makes(shop, holdout):
    lists, likely = ranker_lists(ranker(shop, 4), holdout.rows)
    assert np.isnan(likely).all()  # the recipe has no calibration
    assert lists.dtype == np.int32
    assert lists.tolist() == [
        [E, A, B, C],  # idle: what is popular in the north
        [E, A, B, C],  # new: the same, as they come from there
        [E, B, C, -1],  # other: the model turned round, a is seen, d is not on offer
        [B, A, E, -1],  # warm: c is seen
    ]
    np.testing.assert_array_equal(lists, ranker(shop, 4).rank(holdout.rows).items)


def test_each_source_alone_leaves_out_the_same(shop, holdout):
    lists = alone_lists(ranker(shop, 4), holdout.rows)
    assert set(lists) == {"als", "popular", "near"}
    assert lists["popular"].tolist() == [[A, B, C, E], [A, B, C, E], [B, C, E, -1], [A, B, E, -1]]
    assert lists["near"][2].tolist() == [B, C, E, -1]  # of no region
    assert lists["near"][0].tolist() == [E, A, B, C]
    assert lists["als"][3].tolist() == [B, A, E, -1]
    assert lists["als"][0].tolist() == [A, B, C, E]  # it knows nothing of them


def test_metrics_equal_those_by_hand(shop, holdout):
    scores = scored(shop, holdout)["lists"]
    # Of the first two: idle finds a at 2, new and other nothing, warm a at 2 (of three wanted).
    at_two = 1 / np.log2(3)
    ideal = 1 + at_two
    assert scores.per_user["ndcg"] == pytest.approx([at_two, 0, 0, at_two / ideal])
    assert scores.per_user["precision"].tolist() == [0.5, 0, 0, 0.5]
    assert scores.per_user["recall"] == pytest.approx([1, 1, 1, 2 / 3])  # of the first four
    assert scores.per_user["hit_rate"].tolist() == [1, 0, 0, 1]
    assert scores.per_user["cold_users"].tolist() == [1, 1, 0, 0]
    assert scores.means["cold_users"].value == pytest.approx(1 / 2)
    assert scores.catalogue["coverage"].value == pytest.approx(3 / 5)  # a, b, e
    assert (scores.users, scores.empty_lists, scores.short_lists) == (4, 0, 0)


def test_popularity_each_source_and_another_recipe_stand_beside_the_lists(shop, holdout):
    assert set(scored(shop, holdout)) == {"lists", "popularity", "als alone", "near alone"}
    assert set(scored(shop, holdout, champion=shop.recipe)) == set(scored(shop, holdout))
    champion = shop.recipe.model_copy(update={"weights": {"als": 0.0, "popular": 1.0, "near": 0.0}})
    found = scored(shop, holdout, champion=champion)
    # Those with a history get from the champion what is popular, the others the same as ours.
    for name, theirs in (("popularity", [2, 3]), ("lists", [0, 1])):
        ndcg = found[name].per_user["ndcg"]
        assert found["champion"].per_user["ndcg"][theirs].tolist() == ndcg[theirs].tolist()


def test_where_repeats_are_allowed_what_was_seen_may_come_again(holdout):
    again = made(seen="allow")
    lists, _ = ranker_lists(ranker(again, 4), holdout.rows)
    assert lists[2:].tolist() == [[E, A, B, C], [C, B, A, E]]
    assert alone_lists(ranker(again, 4), holdout.rows)["popular"][2:].tolist() == [[A, B, C, E]] * 2
    assert scored(again, holdout)["lists"].short_lists == 0


def test_lists_do_not_depend_on_what_is_held_out(shop, holdout):
    """The hold-out says for whom lists are made, never what is in them."""
    swapped = pa.table(
        {"user_key": ["warm", "new", "other", "idle"], "item_id": ["b", "e", "e", "c"]}
    )
    other = make_holdout(swapped, PEOPLE, SHOP)
    one, two = (ranker_lists(ranker(shop, 4), each.rows)[0] for each in (holdout, other))
    np.testing.assert_array_equal(one, two)


def test_how_far_probabilities_are_off_is_measured_of_users_with_a_history(holdout):
    sure = Calibration(kind="isotonic", scores=(0.0,), probabilities=(0.75,))
    found = scored(made(calibration=sure), holdout, champion=made().recipe)
    # other gets e, b and c, and wanted c; warm gets b, a and e, and wanted a and e.
    assert found["lists"].catalogue["ece"].value == pytest.approx(0.75 - 3 / 6)
    assert "ece" not in found["champion"].catalogue
    assert "ece" not in found["popularity"].catalogue
    rows = {row["metric"]: row for row in quality_rows(found) if row["model"] == "lists"}
    assert rows["ece"]["value"] == pytest.approx(0.25)
    assert rows["ece"]["difference"] is None


def test_an_empty_holdout_scores_nobody(shop):
    nobody = make_holdout(WANTED.slice(0, 0), PEOPLE, SHOP)
    scores = scored(shop, nobody)["lists"]
    assert scores.users == 0
    assert np.isnan(scores.means["ndcg"].value)


def test_what_rounding_loses_is_measured_beside_what_is_served(shop, holdout):
    found = scored(replace(shop, precision="int8"), holdout)
    assert found[EXACT].means["ndcg"] == scored(shop, holdout)["lists"].means["ndcg"]
    assert EXACT not in scored(shop, holdout)
    assert rounding_loss(scored(shop, holdout)) == []
    (sentence,) = rounding_loss(found)
    assert sentence.startswith("factors are rounded: ")
    assert f"against {found[EXACT].means['ndcg'].value:.4f} in float32" in sentence
