"""Ranked users as rows: keys, regions, and items whose scores add up from their parts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ranking.cases import model, recipe, row, trained
from recsys_batch.models.sources import RegionalSettings
from recsys_batch.ranking.lists import ITEM, segment_lists, user_lists
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.reasons import Reasons

PEOPLE = {"anna": "süd", "ben": "north", "cem": None, "sated": None}


@pytest.fixture(scope="module")
def shop() -> RankingModel:
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
    return model(known, made_by, users={"anna": [1.0]}, items={"b": [1.0], "c": [-1.0]})


def test_rows_are_the_users_asked_for_in_their_order(shop):
    rows = np.array([row(shop.trained_on, user) for user in ("cem", "sated", "anna")])
    batch = user_lists(shop, rows, n=3, reasons=Reasons(shop))
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
    ranked = shop.rank(rows, n=3)
    lists = user_lists(shop, rows, n=3, reasons=Reasons(shop)).column("items").to_pylist()
    sources, told = list(shop.sources), 0
    for user, items in enumerate(lists):
        scores = [each["score"] for each in items]
        assert scores == sorted(scores, reverse=True)
        for place, each in enumerate(items):
            assert len(each["parts"]) == len(sources)
            assert each["score"] == pytest.approx(sum(each["parts"]), abs=1e-5)
            np.testing.assert_array_equal(
                np.array(each["parts"], dtype=np.float32), ranked.parts[:, user, place]
            )
            assert each["source"] in sources
            assert each["reason"]
            told += 1
    assert told == 8  # two of anna's, three of ben's and of cem's


def test_the_list_of_all_and_of_each_region_are_those_of_strangers(shop):
    found = segment_lists(shop, n=2, reasons=Reasons(shop))
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


def test_nobody_to_rank_gives_no_rows(shop):
    batch = user_lists(shop, np.array([], dtype=np.int64), n=3, reasons=Reasons(shop))
    assert batch.num_rows == 0
