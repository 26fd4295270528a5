"""Who refuses what, from what was stated by the horizon."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from recsys_batch.features.consent import consented, permitted, refusals

from .events import UNTIL, ago, consents, events

pytestmark = pytest.mark.spark

YES, NO = {"granted": True}, {"granted": False}


def refused(spark: SparkSession, *rows: dict[str, Any], horizon: int = 9) -> set[tuple[str, str]]:
    found = refusals(consents(spark, *rows), horizon=horizon).collect()
    assert len(found) == len(set(found))
    return {(row["user_key"], row["purpose"]) for row in found}


def test_the_latest_statement_of_a_source_counts(spark: SparkSession) -> None:
    assert refused(
        spark,
        {"user_key": "revoked", "stated_at": ago(3), **YES},
        {"user_key": "revoked", "stated_at": ago(1), **NO},
        {"user_key": "back", "stated_at": ago(1), **YES},
        {"user_key": "back", "stated_at": ago(3), **NO},
        {"user_key": "always", **YES},
        {"user_key": "split", "purpose": "personalization", **NO},
        {"user_key": "split", **YES},
    ) == {("revoked", "training"), ("split", "personalization")}


def test_a_refusal_is_not_undone_by_what_another_source_says(spark: SparkSession) -> None:
    """Or an event whose flag nobody changed would consent again for a user who withdrew."""
    rows = ({"stated_at": ago(3), **NO}, {"source": "events", **YES})
    assert refused(spark, *rows) == {("u", "training")}
    assert refused(spark, *rows, {"stated_at": ago(2), **YES}) == set()


def test_of_statements_of_one_instant_the_refusal_wins(spark: SparkSession) -> None:
    """In whichever batch: an export anew with consent withdrawn has the times of the first."""
    assert refused(spark, NO, {**YES, "batch_seq": 2}) == {("u", "training")}


def test_of_statements_without_a_time_the_latest_batch_counts(spark: SparkSession) -> None:
    undated = {"stated_at": None, "source": "profiles"}
    rows = ({**undated, **NO}, {**undated, **YES, "batch_seq": 2})
    assert refused(spark, *rows) == set()
    assert refused(spark, *rows, horizon=1) == {("u", "training")}


def test_the_horizon_bounds_what_is_heard_and_the_day_does_not(spark: SparkSession) -> None:
    row = {**NO, "stated_at": UNTIL, "batch_seq": 3}
    assert refused(spark, row, horizon=2) == set()
    assert refused(spark, row, horizon=3) == {("u", "training")}


def test_a_purpose_is_refused_alone(spark: SparkSession) -> None:
    frame = events(spark, {}, {"user_key": "v"}, {"user_key": None})
    other = {"user_key": "v", "purpose": "personalization", **NO}
    made = refusals(consents(spark, NO, other), horizon=1)
    assert {row["user_key"] for row in permitted(frame, made, "training").collect()} == {"v", None}
    listed = permitted(frame, made, "personalization").collect()
    assert {row["user_key"] for row in listed} == {"u", None}


def test_events_train_with_consent_of_users_who_do_not_refuse(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"event_id": "a", "user_key": "refuses"},
        {"event_id": "b1", "user_key": "back", "event_time": ago(3), "consent": False},
        {"event_id": "b2", "user_key": "back"},
        {"event_id": "c", "user_key": "no personalization"},
        {"event_id": "d1", "user_key": None},
        {"event_id": "d2", "user_key": None, "consent": False},
    )
    refused = spark.createDataFrame(
        [("refuses", "training"), ("no personalization", "personalization")],
        "user_key STRING, purpose STRING",
    )
    kept = consented(frame, refused)
    assert sorted(row["event_id"] for row in kept.collect()) == ["b2", "c", "d1"]
    assert set(kept.columns) == set(frame.columns)
