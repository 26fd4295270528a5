"""Validity intervals, and what held at an instant, worked out by hand and by another way."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.features.versions import as_of, item_versions, join_as_of, profile_versions

from .events import ago, by, catalogue, events, profiles

pytestmark = pytest.mark.spark

BEGINNING = dt.datetime(1970, 1, 1)


def naive(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=None)


def test_a_version_holds_until_the_next_begins(spark: SparkSession) -> None:
    """What another row of the same instant replaced never held."""
    rows = catalogue(
        spark,
        {"title": "next", "valid_from": ago(2), "batch_seq": 2},
        {"title": "undated", "batch_seq": 9},
        {"title": "wrong", "valid_from": ago(5), "batch_seq": 1},
        {"title": "corrected", "valid_from": ago(5), "batch_seq": 2, "event_id": "a"},
        {"title": "corrected again", "valid_from": ago(5), "batch_seq": 2, "event_id": "b"},
        {"item_id": "other", "title": "other", "valid_from": ago(3)},
    )
    for frame in (rows, rows.orderBy(F.col("title").desc()).repartition(3)):
        found = by(item_versions(frame), "title")
        assert {
            title: (row["valid_from"], row["valid_to"], row["first_time"])
            for title, row in found.items()
        } == {
            "undated": (BEGINNING, naive(ago(5)), None),
            "corrected again": (naive(ago(5)), naive(ago(2)), naive(ago(5))),
            "next": (naive(ago(2)), None, naive(ago(5))),
            "other": (naive(ago(3)), None, naive(ago(3))),
        }


def test_a_deletion_keeps_what_the_version_before_it_said(spark: SparkSession) -> None:
    """All of that version and nothing of older ones, but for what the deletion says itself."""
    rows = catalogue(
        spark,
        {"title": "old", "category": "c", "valid_from": ago(9)},
        {"title": "new", "price": 2.0, "valid_from": ago(8)},
        {"deleted": True, "valid_from": ago(7)},
        {"deleted": True, "price": 3.0, "valid_from": ago(6)},
        {"title": "back", "valid_from": ago(5)},
        {"item_id": "never there", "deleted": True},
    )
    found = by(item_versions(rows).where("deleted"), "item_id", "valid_from")
    assert {key: (row["title"], row["category"], row["price"]) for key, row in found.items()} == {
        ("i", naive(ago(7))): ("new", None, 2.0),
        ("i", naive(ago(6))): ("new", None, 3.0),
        ("never there", BEGINNING): (None, None, None),
    }


def test_an_event_meets_what_held_at_its_own_time(spark: SparkSession) -> None:
    """The beginning of a version belongs to it, its end to the next."""
    micro = dt.timedelta(microseconds=1)
    versions = profile_versions(
        profiles(
            spark,
            {"cohort": "first", "valid_from": ago(5)},
            {"cohort": "second", "valid_from": ago(2)},
        )
    )
    times = {ago(5) - micro: None, ago(5): "first", ago(2) - micro: "first", ago(2): "second"}
    frame = events(
        spark,
        *({"event_time": time} for time in times),
        {"user_key": None, "event_time": ago(1), "event_id": "anonymous"},
        {"user_key": "unknown", "event_time": ago(1), "event_id": "unknown"},
    )
    joined = join_as_of(frame, versions, key="user_key", columns=["cohort"], prefix="then_")
    assert set(joined.columns) == {*frame.columns, "then_cohort"}
    found = by(joined, "event_id")
    wanted = {f"{number:04}": cohort for number, cohort in enumerate(times.values())}
    assert {name: row["then_cohort"] for name, row in found.items()} == {
        **wanted,
        "anonymous": None,
        "unknown": None,
    }


def test_both_joins_agree_with_a_search_through_all_rows(spark: SparkSession) -> None:
    draw = random.Random(7)
    rows: list[dict[str, Any]] = [
        {
            "item_id": f"i{draw.randrange(5)}",
            "title": str(number),
            "valid_from": None if draw.random() < 0.1 else ago(draw.randrange(12)),
            "batch_seq": draw.randrange(1, 4),
            "event_id": f"{number:04}",
        }
        for number in range(60)
    ]

    def held(item: str, at: dt.datetime) -> str | None:
        first = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        known = [
            (row["valid_from"] or first, row["batch_seq"], row["event_id"], row["title"])
            for row in rows
            if row["item_id"] == item and (row["valid_from"] or first) <= at
        ]
        return max(known)[3] if known else None

    versions = item_versions(catalogue(spark, *rows)).persist()
    names = [f"i{number}" for number in range(6)]
    moments = [ago(day) for day in (13, 11, 6.5, 3, 0)]
    frame = events(spark, *({"item_id": n, "event_time": at} for n in names for at in moments))
    joined = join_as_of(frame, versions, key="item_id", columns=["title"], prefix="then_")
    found = {(r["item_id"], r["event_time"]): r["then_title"] for r in joined.collect()}
    assert found == {(n, naive(at)): held(n, at) for n in names for at in moments}
    for at in moments:
        known = {row["item_id"]: row["title"] for row in as_of(versions, at).collect()}
        assert known == {n: held(n, at) for n in names if held(n, at)}
    versions.unpersist()
