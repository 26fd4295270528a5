"""Bots and bursts: flagged by day, out of what trains, and nothing else changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import Limits
from recsys_batch.features.suspects import suspects, suspects_sentence, without_suspects

from .events import ago, by, events

pytestmark = pytest.mark.spark
LIMITS = Limits(max_events_per_day=4, max_events_per_minute=2)
NOON = ago(1).replace(hour=12)


def at(user: str | None, *times: dt.datetime) -> list[dict[str, Any]]:
    return [{"user_key": user, "event_time": time} for time in times]


def minutes(*numbers: float, of: dt.datetime = NOON) -> list[dt.datetime]:
    return [of + dt.timedelta(minutes=number) for number in numbers]


def test_days_over_a_limit_are_flagged_and_days_at_it_are_not(spark: SparkSession) -> None:
    frame = events(
        spark,
        *at("bot", *minutes(0, 1, 2, 3, 4)),
        *at("bot", *minutes(0, 1, 2, 3, of=NOON - dt.timedelta(days=1))),
        *at("burst", *minutes(5, 5.1, 5.2)),
        *at("steady", *minutes(0.9, 1, 1.1, 2)),
        *at(None, *minutes(*range(9))),
        *at("midnight", *minutes(719, 719.5, 720, 720.5)),
    )
    flagged = suspects(frame, limits=LIMITS)
    found = by(flagged, "user_key", "event_date")
    assert found == {
        (user, NOON.date()): {
            "user_key": user,
            "event_date": NOON.date(),
            "reason": reason,
            "events": number,
            "most": most,
        }
        for user, reason, number, most in (
            ("bot", "too_many_a_day", 5, 1),
            ("burst", "too_many_a_minute", 3, 3),
        )
    }
    kept = without_suspects(frame, flagged)
    assert kept.columns == frame.columns
    left = [(row["user_key"], row["event_date"]) for row in kept.collect()]
    assert len(left) == frame.count() - 5 - 3
    assert left.count(("bot", NOON.date() - dt.timedelta(days=1))) == 4
    assert not {("bot", NOON.date()), ("burst", NOON.date())} & set(left)


def test_a_later_day_changes_no_verdict_and_no_limit_flags_nobody(spark: SparkSession) -> None:
    past = at("bot", *minutes(0, 1, 2, 3, 4))
    later = at("bot", *minutes(*range(50), of=NOON + dt.timedelta(days=1)))
    days = {
        row["event_date"]: row
        for row in suspects(events(spark, *past, *later), limits=LIMITS).collect()
    }
    (before,) = suspects(events(spark, *past), limits=LIMITS).collect()
    assert days[NOON.date()] == before
    unlimited = Limits(max_events_per_day=None, max_events_per_minute=None)
    assert suspects(events(spark, *past), limits=unlimited).isEmpty()
    assert suspects(events(spark, *past), limits=Limits()).isEmpty()


def test_the_sentence_counts_days_users_and_events() -> None:
    rows = [{"user_key": "u", "events": 5}, {"user_key": "u", "events": 6}]
    said = "suspects: 2 days of 1 users; their 11 events train nothing"
    assert suspects_sentence(rows) == said
