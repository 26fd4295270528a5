"""What a run may see: before the day's end, of its batches, and with consent."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.features.history import day_end, known_rows, unread_events, visible_events
from recsys_batch.lake.store import Lake

from .events import UNTIL, ago, catalogue, events

pytestmark = pytest.mark.spark


def test_a_day_ends_with_the_first_instant_of_the_next() -> None:
    assert day_end(dt.date(2026, 1, 30)) == UNTIL
    assert day_end(dt.date(2024, 2, 28)) == dt.datetime(2024, 2, 29, tzinfo=dt.UTC)
    assert day_end(dt.date(2026, 12, 31)) == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


def test_visible_events_end_with_the_instant_and_the_horizon(spark: SparkSession) -> None:
    micro = dt.timedelta(microseconds=1)
    frame = events(
        spark,
        {"event_id": "last", "event_time": UNTIL - micro, "batch_seq": 2},
        {"event_id": "at the end", "event_time": UNTIL},
        {"event_id": "later batch", "batch_seq": 3},
        {"event_id": "old", "event_time": ago(4000)},
    )
    seen = visible_events(frame, until=UNTIL, horizon=2)
    assert sorted(row["event_id"] for row in seen.collect()) == ["last", "old"]
    noon = UNTIL - dt.timedelta(hours=12)
    seen = visible_events(frame, until=noon, horizon=3)
    assert sorted(row["event_id"] for row in seen.collect()) == ["later batch", "old"]


def test_unread_events_are_those_of_later_days_and_of_later_batches(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, tmp_path)
    rows = events(
        spark,
        {"event_id": "read", "event_time": ago(3)},
        {"event_id": "late", "event_time": ago(3), "batch_seq": 2},
        {"event_id": "next day", "event_time": ago(2)},
        {"event_id": "landed early", "event_time": ago(1)},
        {"event_id": "both", "event_time": ago(1), "batch_seq": 2},
        {"event_id": "too late", "event_time": ago(3), "batch_seq": 3},
        {"event_id": "future", "event_time": UNTIL},
    )
    for batch in (1, 2, 3):
        lake.append("events", rows.where(rows["batch_seq"] == batch))
    unread = unread_events(lake, until=UNTIL, horizon=2, read_until=ago(2), read_horizon=1)
    found = sorted(row["event_id"] for row in unread.collect())
    assert found == ["both", "landed early", "late", "next day"]


def test_known_rows_hold_before_the_instant_and_landed_by_the_horizon(spark: SparkSession) -> None:
    rows = catalogue(
        spark,
        {"title": "undated"},
        {"title": "before", "valid_from": ago(1)},
        {"title": "then", "valid_from": UNTIL},
        {"title": "later batch", "batch_seq": 3},
    )
    found = known_rows(rows, until=UNTIL, horizon=2)
    assert sorted(row["title"] for row in found.collect()) == ["before", "undated"]
