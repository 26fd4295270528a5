"""What a run may see: before the day's end, of its batches, and with consent."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import SparkSession

from recsys_batch.features.history import consented, day_end, visible_events

from .events import UNTIL, ago, events

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


def test_a_revocation_takes_all_of_a_users_events(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"event_id": "a1", "user_key": "revoked", "event_time": ago(3)},
        {"event_id": "a2", "user_key": "revoked", "event_time": ago(1), "consent": False},
        {"event_id": "b1", "user_key": "back", "event_time": ago(3), "consent": False},
        {"event_id": "b2", "user_key": "back", "event_time": ago(1)},
        {"event_id": "c1", "user_key": "never", "consent": False},
        {"event_id": "d1", "user_key": "always"},
        {"event_id": "e1", "user_key": None},
        {"event_id": "e2", "user_key": None, "consent": False, "event_time": ago(0.5)},
    )
    kept = consented(frame)
    assert sorted(row["event_id"] for row in kept.collect()) == ["b2", "d1", "e1"]
    assert set(kept.columns) == set(frame.columns)


@pytest.mark.parametrize("revoking", ["0", "9"])
def test_of_events_at_the_same_instant_the_revocation_wins(
    spark: SparkSession, revoking: str
) -> None:
    """Whatever the ids are: an export anew with consent withdrawn has the times of the first."""
    frame = events(
        spark,
        {"event_id": "5", "user_key": "u"},
        {"event_id": revoking, "user_key": "u", "consent": False},
    )
    assert consented(frame).count() == 0
