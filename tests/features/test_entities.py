"""Users and items as they were known at an instant."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import SparkSession

from recsys_batch.features.entities import items, users
from recsys_batch.features.parts import Part
from recsys_batch.features.state import PAST, past_and_whole
from recsys_batch.features.versions import item_versions, profile_versions

from .events import UNTIL, ago, by, catalogue, events, facts_of, profiles, state_of, whole

pytestmark = pytest.mark.spark


def naive(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=None)


def test_users_have_the_latest_region_named_else_the_profiles(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"event_time": ago(3), "region": "north"},
        {"event_time": ago(2), "region": "south"},
        {"event_time": ago(1), "region": None},
        {"event_time": UNTIL, "region": "future"},
        {"user_key": None, "region": "nobody's"},
        {"user_key": "v", "event_time": ago(9)},
    )
    known = profile_versions(
        profiles(
            spark,
            {"user_key": "u", "region": "profile's", "cohort": "old"},
            {"user_key": "u", "cohort": "regular", "valid_from": ago(1), "birth_year": 2010},
            {"user_key": "u", "cohort": "future", "valid_from": UNTIL},
            {"user_key": "v", "region": "west"},
            {"user_key": "without events", "region": "west"},
        )
    )
    found = users(state_of(frame), known, whole(), acts=["purchase"], sequence_length=5)
    assert by(found.drop("part", "actions"), "user_key") == {
        "u": {
            "user_key": "u",
            "region": "south",
            "cohort": "regular",
            "least_age": 15,
            "events": 3,
            "first_time": naive(ago(3)),
            "last_time": naive(ago(1)),
        },
        "v": {
            "user_key": "v",
            "region": "west",
            "cohort": None,
            "least_age": None,
            "events": 1,
            "first_time": naive(ago(9)),
            "last_time": naive(ago(9)),
        },
    }


def test_last_actions_are_of_weighing_types_latest_first_and_each_kind_once(
    spark: SparkSession,
) -> None:
    frame = events(
        spark,
        {"item_id": "a", "event_time": ago(5)},
        {"item_id": "a", "event_time": ago(2)},
        {"item_id": "b", "event_time": ago(4)},
        {"item_id": "c", "event_time": ago(4)},
        {"item_id": "a", "event_time": ago(3), "event_type": "view"},
        {"item_id": "d", "event_time": ago(1), "event_type": "impression"},
        {"item_id": "e", "event_time": UNTIL},
        {"user_key": "v", "item_id": "d", "event_type": "impression"},
    )
    nobody = profile_versions(profiles(spark))
    found = users(state_of(frame), nobody, whole(), acts=["purchase", "view"], sequence_length=4)
    actions = {row["user_key"]: [tuple(each) for each in row["actions"]] for row in found.collect()}
    assert actions == {
        "u": [
            ("a", "purchase", naive(ago(2))),
            ("a", "view", naive(ago(3))),
            ("c", "purchase", naive(ago(4))),
            ("b", "purchase", naive(ago(4))),
        ],
        "v": [],
    }


def test_items_have_the_catalogue_version_of_the_instant(spark: SparkSession) -> None:
    """Among rows of one validity the later batch holds; one without a date holds always."""
    rows = catalogue(
        spark,
        {"title": "undated", "price": 1.0, "batch_seq": 9},
        {"title": "first", "price": 2.0, "valid_from": ago(5), "batch_seq": 1},
        {"title": "corrected", "price": 3.0, "valid_from": ago(5), "batch_seq": 2},
        {"title": "next", "price": 4.0, "valid_from": ago(2), "batch_seq": 2},
        {"title": "future", "price": 5.0, "valid_from": UNTIL, "batch_seq": 2},
    )
    nothing = events(spark)
    for until, title, price in (
        (ago(6), "undated", 1.0),
        (ago(5), "undated", 1.0),
        (ago(4), "corrected", 3.0),
        (UNTIL, "next", 4.0),
    ):
        versions = item_versions(rows)
        made = items(
            state_of(nothing), {"full": facts_of(nothing)}, versions, whole(until), blocked=()
        )
        row = made.collect()[0]
        assert (row["title"], row["price"]) == (title, price)


def test_the_catalogue_wins_over_events_field_by_field(spark: SparkSession) -> None:
    rows = catalogue(
        spark, {"title": "catalogue", "valid_from": ago(2)}, {"item_id": "unsold", "title": "new"}
    )
    frame = events(
        spark,
        {"event_time": ago(4), "title": "old event", "price": 1.0, "category": "c"},
        {"event_time": ago(3), "title": "event", "price": None},
        {"item_id": "eventful", "event_time": ago(3), "title": "told by an event"},
        {"item_id": "eventful", "event_time": UNTIL, "title": "in the future"},
        {"item_id": "future", "event_time": UNTIL},
    )
    versions, blocked = item_versions(rows), ["unsold"]
    made = items(
        state_of(frame), {"full": facts_of(frame)}, versions, whole(UNTIL), blocked=blocked
    )
    found = by(made.drop("part"), "item_id")
    assert set(found) == {"i", "unsold", "eventful"}
    assert found["i"] == {
        "item_id": "i",
        "title": "catalogue",
        "category": "c",
        "price": 1.0,
        "description": None,
        "tags": None,
        "first_time": naive(ago(4)),
        "last_time": naive(ago(3)),
        "recommendable": True,
    }
    assert found["eventful"]["title"] == "told by an event"
    assert (found["unsold"]["recommendable"], found["unsold"]["last_time"]) == (False, None)


def test_what_becomes_known_behind_a_part_is_not_in_it(spark: SparkSession) -> None:
    """Of a later item the earlier part has the id, of a later text that of before."""
    before = events(spark, {"event_time": ago(9), "title": "then", "price": 1.0})
    behind = events(
        spark,
        {"event_time": ago(2), "title": "now", "price": 2.0},
        {"item_id": "came later", "event_time": ago(1), "title": "new", "category": "c"},
    )
    rows = catalogue(
        spark,
        {"item_id": "stated later", "title": "next", "valid_from": ago(3)},
        {"item_id": "came later", "description": "long", "valid_from": ago(3)},
        {"item_id": "withdrawn", "title": "w", "valid_from": ago(9)},
        {"item_id": "withdrawn", "deleted": True, "valid_from": ago(2)},
    )
    facts = {"train": facts_of(before), "full": facts_of(before.union(behind))}
    made = items(
        past_and_whole(state_of(before), state_of(behind)),
        facts,
        item_versions(rows),
        (Part("full", UNTIL), Part("train", ago(5), PAST)),
        blocked=(),
    )
    found = by(made.where("part = 'train'"), "item_id")
    assert set(found) == {"i", "came later", "withdrawn"}
    assert (found["i"]["title"], found["i"]["price"]) == ("then", 1.0)
    assert found["i"]["last_time"] == naive(ago(9))
    assert found["withdrawn"]["recommendable"] is True
    told = {name: value for name, value in found["came later"].items() if value is not None}
    assert told == {"part": "train", "item_id": "came later", "recommendable": False}
    whole_ = by(made.where("part = 'full'"), "item_id")
    assert set(whole_) == {"i", "came later", "withdrawn", "stated later"}
    assert whole_["i"]["title"] == "now"
    assert whole_["came later"]["recommendable"] is True
    assert whole_["withdrawn"]["recommendable"] is False


MICRO = dt.timedelta(microseconds=1)


def offered(spark: SparkSession, until: dt.datetime, *rows: dict[str, object]) -> set[str]:
    """Items of catalogue rows that may be in a list made at `until`."""
    nothing, versions = events(spark), item_versions(catalogue(spark, *rows))
    found = items(
        state_of(nothing), {"full": facts_of(nothing)}, versions, whole(until), blocked=()
    )
    return {row["item_id"] for row in found.collect() if row["recommendable"]}


def test_an_item_is_offered_within_its_window(spark: SparkSession) -> None:
    """It begins before the day's end, and is not over when the day is."""
    rows = (
        {"item_id": "open"},
        {"item_id": "begins by the end", "available_from": UNTIL - MICRO},
        {"item_id": "begins then", "available_from": UNTIL},
        {"item_id": "ends then", "available_until": UNTIL},
        {"item_id": "ends later", "available_until": UNTIL + MICRO},
    )
    assert offered(spark, UNTIL, *rows) == {"open", "begins by the end", "ends later"}
    assert offered(spark, ago(1), *rows) == {"open", "ends then", "ends later"}


def test_a_deletion_acts_from_its_time_on_and_can_be_taken_back(spark: SparkSession) -> None:
    rows = (
        {"title": "new", "category": "c", "tags": ["x"]},
        {"deleted": True, "valid_from": ago(5)},
        {"title": "again", "valid_from": ago(2)},
    )
    found = {}
    for at in (ago(5), ago(3), UNTIL):
        nothing, versions = events(spark), item_versions(catalogue(spark, *rows))
        made = items(
            state_of(nothing), {"full": facts_of(nothing)}, versions, whole(at), blocked=()
        )
        (row,) = made.collect()
        found[at] = (row["recommendable"], row["title"], row["category"], row["tags"])
    assert found == {
        ago(5): (True, "new", "c", ["x"]),
        ago(3): (False, "new", "c", ["x"]),
        UNTIL: (True, "again", None, None),
    }
