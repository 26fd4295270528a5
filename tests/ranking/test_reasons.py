"""Reasons name what an item is close to, what was done before, or whom it is popular with."""

from __future__ import annotations

import numpy as np
import pytest

from ranking.cases import model, recipe, row, trained
from recsys_batch.models.sources import (
    CohortSettings,
    PopularSettings,
    RegionalSettings,
    RepeatSettings,
)
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.reasons import Reasons, unit_rows

IDS = ("apple", "bread", "cider", "dates", "eggs")
VECTORS = {"apple": [9, 0], "bread": [0, 1], "cider": [1, 0.5], "dates": [0.2, 2]}
SOURCES = {
    "near": RegionalSettings(),
    "trending": PopularSettings(half_life_days=3.0),
    "again": RepeatSettings(),
    "peers": CohortSettings(),
}
HISTORY = (
    ("anna", "apple", 1.0, "purchase", True, 1),
    ("anna", "bread", 1.0, "view", False, 1),
    ("ben", "bread", 1.0, "cancel", False, 1),
    ("ben", "cider", 1.0, "view", False, 1),
    ("cem", "eggs", 1.0, "rating", True, 1),
    ("anna", "cider", 0.0, "purchase", True, 1),  # taken back: no reason for anything
)
PEOPLE = {"anna": "north", "ben": None, "cem": "north", "new": "north", "lost": None}
ALS, POPULAR, NEAR, TRENDING, AGAIN, PEERS = range(6)


@pytest.fixture(scope="module")
def shop() -> RankingModel:
    known = trained(IDS, *HISTORY, users=PEOPLE, cohorts={"anna": "students {1}"})
    return model(known, recipe(SOURCES, newcomers="near"), items=VECTORS)


def reasons(shop: RankingModel, user: str | int, **sources: int) -> dict[str, str]:
    """Reasons of a user's items by the source that each comes from."""
    known = shop.trained_on
    place = user if isinstance(user, int) else row(known, user)
    items = np.array([IDS.index(each) for each in sources], dtype=np.int64)
    told = Reasons(shop).of(place, items, np.array(list(sources.values())))
    return dict(zip(sources, told, strict=True))


def test_a_personal_item_names_what_lies_closest_to_it(shop):
    # cider points along apple (cosine 0.89), dates along bread (0.995), whatever their lengths.
    assert reasons(shop, "anna", dates=ALS, cider=ALS) == {
        "dates": "because you looked at the bread",
        "cider": "because you bought the apple",
    }


def test_what_the_user_had_before_says_so_whatever_brought_it(shop):
    assert reasons(shop, "anna", apple=AGAIN, bread=POPULAR) == {
        "apple": "because you bought it before",
        "bread": "because you looked at it before",
    }
    assert reasons(shop, "cem", eggs=AGAIN) == {"eggs": "because you rated it before"}


def test_a_type_without_a_verb_of_its_own_was_a_choice(shop):
    assert reasons(shop, "ben", dates=ALS) == {"dates": "because you chose the bread"}


def test_of_equally_close_items_the_first_is_named():
    history = [("u", item, 1.0, "purchase", True, 1) for item in ("x", "y")]
    known = trained(["x", "y", "z"], *history, users={"u": None})
    twins = model(known, recipe(), items={"x": [1, 0], "y": [2, 0], "z": [3, 0]})
    assert Reasons(twins).of(0, np.array([2]), np.array([ALS])) == ["because you bought the x"]


def test_what_everybody_likes_says_so_to_those_with_a_history_too(shop):
    assert reasons(shop, "anna", cider=POPULAR, dates=NEAR, eggs=TRENDING) == {
        "cider": "popular with everyone",
        "dates": "popular in north",
        "eggs": "trending",
    }
    assert reasons(shop, "ben", dates=NEAR) == {"dates": "popular with everyone"}  # of no region


def test_what_a_cohort_likes_says_so_and_of_no_cohort_what_the_region_does(shop):
    assert reasons(shop, "anna", dates=PEERS, eggs=NEAR) == {
        "dates": "popular with students {1}",
        "eggs": "popular in north",
    }
    assert reasons(shop, "cem", dates=PEERS) == {"dates": "popular in north"}
    assert reasons(shop, "ben", dates=PEERS) == {"dates": "popular with everyone"}
    stranger = shop.trained_on.stranger("north", "students {1}")
    assert reasons(shop, stranger, apple=PEERS) == {"apple": "popular with students {1}"}


def test_who_has_no_history_is_told_whose_list_it_is(shop):
    assert reasons(shop, "new", apple=NEAR, eggs=NEAR) == {
        "apple": "popular in north",
        "eggs": "popular in north",
    }
    known = shop.trained_on
    assert reasons(shop, known.stranger("north"), apple=NEAR) == {"apple": "popular in north"}
    for nobody in ("lost", known.stranger(None), known.stranger("moon")):
        assert reasons(shop, nobody, apple=NEAR, eggs=POPULAR) == {
            "apple": "popular with everyone",
            "eggs": "popular with everyone",
        }


def test_an_item_or_history_that_the_factors_do_not_know_names_no_item(shop):
    assert reasons(shop, "anna", eggs=ALS) == {"eggs": "close to your taste"}
    assert reasons(shop, "cem", apple=ALS) == {"apple": "close to your taste"}


def test_a_reason_names_no_text_of_a_weightless_pair(shop):
    assert "cider" not in " ".join(reasons(shop, "anna", dates=ALS, eggs=ALS).values())


def test_an_empty_list_has_no_reasons(shop):
    assert reasons(shop, "anna") == {}


def test_unit_rows_keep_zero_rows():
    np.testing.assert_allclose(
        unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)), [[0.6, 0.8], [0, 0]]
    )
