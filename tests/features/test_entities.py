"""Users and items as they were known at an instant."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import SparkSession

from recsys_batch.features.entities import items, users

from .events import UNTIL, ago, by, catalogue, events, facts_of, state_of

pytestmark = pytest.mark.spark


def naive(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=None)


def test_users_have_the_latest_region_named(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"event_time": ago(3), "region": "north"},
        {"event_time": ago(2), "region": "south"},
        {"event_time": ago(1), "region": None},
        {"event_time": UNTIL, "region": "future"},
        {"user_key": None, "region": "nobody's"},
        {"user_key": "v", "event_time": ago(9)},
    )
    assert by(users(state_of(frame)), "user_key") == {
        "u": {
            "user_key": "u",
            "region": "south",
            "events": 3,
            "first_time": naive(ago(3)),
            "last_time": naive(ago(1)),
        },
        "v": {
            "user_key": "v",
            "region": None,
            "events": 1,
            "first_time": naive(ago(9)),
            "last_time": naive(ago(9)),
        },
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
        row = items(state_of(nothing), facts_of(nothing), rows, until=until, blocked=()).collect()[
            0
        ]
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
    state, facts = state_of(frame), facts_of(frame)
    found = by(items(state, facts, rows, until=UNTIL, blocked=["unsold"]), "item_id")
    assert set(found) == {"i", "unsold", "eventful"}
    assert found["i"] == {
        "item_id": "i",
        "title": "catalogue",
        "category": "c",
        "price": 1.0,
        "first_time": naive(ago(4)),
        "last_time": naive(ago(3)),
        "recommendable": True,
    }
    assert found["eventful"]["title"] == "told by an event"
    assert (found["unsold"]["recommendable"], found["unsold"]["last_time"]) == (False, None)
