"""Ranked users as rows: keys, regions, and items whose scores add up from their parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ranking.cases import model, ranker, recipe, row, trained
from recsys_batch.models.recipes import Calibration
from recsys_batch.models.sources import CohortSettings, RegionalSettings
from recsys_batch.ranking.lists import ITEM, available_items, segment_lists, user_lists
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons

PEOPLE = {"anna": "süd", "ben": "north", "cem": None, "sated": None}


@pytest.fixture(scope="module")
def shop() -> Ranker:
    ids = ["a", "b", "c", "d"]
    sated = [("sated", item, 1.0, "purchase", True, 1) for item in ids]
    known = trained(
        ids,
        ("anna", "a", 1.0, "purchase", True, 1),
        *sated,
        users=PEOPLE,
        popular={None: {"d": 4.0, "c": 2.0}, "north": {"b": 8.0}, "süd": {"c": 9.0}},
        blocked=["d"],
    )
    made_by = recipe({"near": RegionalSettings(prior=1.0)}, newcomers="near")
    made = model(known, made_by, users={"anna": [1.0]}, items={"b": [1.0], "c": [-1.0]})
    return ranker(made, 3)


def test_rows_are_the_users_asked_for_in_their_order(shop):
    rows = np.array([row(shop.model.trained_on, user) for user in ("cem", "sated", "anna")])
    batch = user_lists(shop, rows, Reasons(shop.model))
    assert batch.schema.names == ["user_key", "region", "items"]
    assert batch.schema.field("items").type == pa.list_(ITEM)
    assert batch.column("user_key").to_pylist() == ["cem", "sated", "anna"]
    assert batch.column("region").to_pylist() == [None, None, "süd"]
    cem, sated, anna = batch.column("items").to_pylist()
    assert [each["item_id"] for each in cem] == ["c", "a", "b"]
    assert sated == []
    assert len(anna) == 2


def test_scores_fall_and_add_up_from_the_parts_of_the_sources(shop):
    rows = np.arange(len(PEOPLE))
    ranked = shop.rank(rows)
    lists = user_lists(shop, rows, Reasons(shop.model)).column("items").to_pylist()
    sources, told = list(shop.model.sources), 0
    for user, items in enumerate(lists):
        scores = [each["score"] for each in items]
        assert scores == sorted(scores, reverse=True)
        for place, each in enumerate(items):
            assert len(each["parts"]) == len(sources) + 2  # the trees and the rules
            assert each["score"] == pytest.approx(sum(each["parts"]), abs=1e-5)
            np.testing.assert_array_equal(
                np.array(each["parts"], dtype=np.float32), ranked.parts[:, user, place]
            )
            assert each["source"] in sources
            assert each["reason"]
            assert each["propensity"] == 1
            assert each["probability"] is None  # the recipe has no calibration
            told += 1
    assert told == 8  # two of anna's, three of ben's and of cem's


def test_lists_carry_probabilities_where_scores_are_calibrated(shop):
    made = shop.model.recipe.model_copy(
        update={"calibration": Calibration(kind="platt", slope=0.5, intercept=-3.0)}
    )
    told = ranker(replace(shop.model, recipe=made), 3)
    lists = user_lists(told, np.arange(len(PEOPLE)), Reasons(told.model)).column("items")
    probability = told.rank(np.arange(len(PEOPLE))).probability
    for user, items in enumerate(lists.to_pylist()):
        for place, each in enumerate(items):
            if shop.model.known[user]:
                assert each["probability"] == probability[user, place]
                assert each["probability"] == pytest.approx(
                    1 / (1 + np.exp(3.0 - 0.5 * each["score"])), rel=1e-5
                )
            else:
                assert each["probability"] is None


def told_of_segments(of: Ranker) -> list[tuple[str, str | None, list[dict[str, Any]]]]:
    found = segment_lists(of, Reasons(of.model)).to_pylist()
    return [(row["level"], row["segment"], row["items"]) for row in found]


def test_the_list_of_all_and_of_each_region_are_those_of_strangers(shop):
    found = told_of_segments(ranker(shop.model, 2))
    assert [(level, segment) for level, segment, _ in found] == [
        ("global", None),
        ("region", "north"),
        ("region", "süd"),
    ]
    ids = [[each["item_id"] for each in items] for *_, items in found]
    assert ids == [["c", "a"], ["b", "c"], ["c", "a"]]  # d is not on offer
    assert {each["source"] for *_, items in found for each in items} == {"near"}
    assert found[1][2][0]["reason"] == "popular in north"
    assert found[0][2][0]["reason"] == "popular with everyone"


def test_cohorts_have_lists_where_what_serves_newcomers_tells_them_apart(shop):
    ids = ["a", "b", "c"]
    known = trained(
        ids,
        ("anna", "a", 5.0, "purchase", True, 1),
        ("ben", "b", 5.0, "purchase", True, 1),
        users={"anna": "süd", "ben": "north"},
        cohorts={"anna": "new", "ben": "loyal"},
        popular={None: {"c": 4.0}, "north": {"c": 8.0}, "süd": {"c": 9.0}},
    )
    near, peers = {"near": RegionalSettings()}, {"peers": CohortSettings(prior=1.0)}
    told = model(known, recipe(near | peers, newcomers="peers"))
    found = told_of_segments(ranker(told, 2))
    assert [(level, segment) for level, segment, _ in found] == [
        ("global", None),
        ("region", "north"),
        ("region", "süd"),
        ("cohort", "loyal"),
        ("cohort", "new"),
    ]
    assert [[each["item_id"] for each in items] for *_, items in found] == [
        *[["c", "a"]] * 3,
        ["b", "c"],
        ["a", "c"],
    ]
    assert {each["source"] for *_, items in found for each in items} == {"peers"}
    assert {each["reason"] for each in found[4][2]} == {"popular with new"}
    # Elsewhere they would be copies of the list of all, in the way of the regions'.
    blind = model(known, recipe(near | peers, newcomers="near"))
    without = told_of_segments(ranker(blind, 2))
    assert [(level, segment) for level, segment, _ in without] == [
        ("global", None),
        ("region", "north"),
        ("region", "süd"),
    ]
    assert {level for level, *_ in told_of_segments(shop)} == {
        "global",
        "region",
    }  # of nobody is a cohort known


def test_nobody_to_rank_gives_no_rows(shop):
    batch = user_lists(shop, np.array([], dtype=np.int64), Reasons(shop.model))
    assert batch.num_rows == 0


def test_who_may_have_a_list_is_told_how_much_it_may_choose_from(shop):
    found = available_items(shop)
    assert dict(zip(*found.to_pydict().values(), strict=True)) == {
        "anna": 2,
        "ben": 3,
        "cem": 3,
        "sated": 0,
    }
