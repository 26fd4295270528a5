"""Parsed lines to fields and fates."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from recsys_batch.ingest.classify import classify_events, classify_items, repeated_lines, with_fate
from recsys_batch.ingest.parse import parse_csv

from .shops import KEY, shop

pytestmark = pytest.mark.spark


def classify(spark: SparkSession, head: str, lines: list[str], **given: Any) -> DataFrame:
    dataset = shop(**given)
    rows = [("f", number, line) for number, line in enumerate(lines, start=1)]
    raw = spark.createDataFrame(rows, "file STRING, line BIGINT, record STRING")
    return classify_events(
        parse_csv(raw, dataset.events, tuple(head.split(","))),
        dataset.events,
        dataset=dataset,
        key=KEY,
        latest_time=dt.datetime(2026, 1, 11, tzinfo=dt.UTC),
        where="f",
    )


def by_line(frame: DataFrame) -> dict[int, Row]:
    return {row["line"]: row for row in frame.collect()}


def test_consent_is_given_unless_refused_and_must_be_readable(spark: SparkSession) -> None:
    texts = ["", "true", "Yes", "1", "t", "FALSE", "no", "0", "f", "maybe"]
    fields = {"item_id": "i", "consent": "c"}
    lines = [f"2026-01-01,i,{text}" for text in texts]
    found = by_line(classify(spark, "ts,i,c", lines, fields=fields))
    assert [found[line]["consent"] for line in range(1, 11)] == [True] * 5 + [False] * 4 + [None]
    assert [found[line]["reason"] for line in range(1, 11)] == [None] * 9 + ["bad_consent"]
    without = by_line(classify(spark, "ts,i", ["2026-01-01,i"], fields={"item_id": "i"}))
    assert without[1]["consent"] is True


def test_the_last_instant_allowed_is_the_latest_time(spark: SparkSession) -> None:
    lines = ["2026-01-11T00:00:00Z,i", "2026-01-11T00:00:00.000001Z,i", "1990-01-01,i"]
    found = by_line(classify(spark, "ts,i", lines, fields={"item_id": "i"}))
    assert [found[line]["reason"] for line in (1, 2, 3)] == [None, "future_time", None]


def test_the_first_rule_broken_names_the_reason(spark: SparkSession) -> None:
    found = by_line(classify(spark, "ts,u,i,q", ["never,u,,many"]))
    assert found[1]["reason"] == "missing_item"


def test_the_event_date_is_the_day_in_utc(spark: SparkSession) -> None:
    lines = ["2026-01-05 23:30:00,i", "2026-01-05 23:30:00+05:00,i"]
    frame = classify(spark, "ts,i", lines, fields={"item_id": "i"}, time_zone="America/New_York")
    found = by_line(frame)
    assert [found[line]["event_date"] for line in (1, 2)] == [
        dt.date(2026, 1, 6),
        dt.date(2026, 1, 5),
    ]


def test_the_first_type_whose_condition_holds_is_taken(spark: SparkSession) -> None:
    types = [{"type": "cancel", "when": "q LIKE '-%'"}, {"type": "purchase", "when": "q <> '0'"}]
    lines = ["2026-01-01,u,i,-1", "2026-01-01,u,i,1", "2026-01-01,u,i,0", "2026-01-01,u,i,"]
    found = by_line(classify(spark, "ts,u,i,q", lines, types=types))
    assert [found[line]["event_type"] for line in (1, 2, 3, 4)] == [
        "cancel",
        "purchase",
        None,
        None,
    ]
    assert [found[line]["reason"] for line in (3, 4)] == ["unknown_type"] * 2


def test_content_is_the_identity_of_an_event_without_an_id(spark: SparkSession) -> None:
    """Spelling does not count, the meaning of each field does; so does consent."""
    head = "ts,u,i,q,r,c,d,t"
    base = "2026-01-01T00:00:00Z,u,i,1,r,true,d,title"
    same = ["2026-01-01 01:00:00+01:00, u ,i,1.0,r,yes,d,other title"]
    other = [
        "2026-01-01T00:00:01Z,u,i,1,r,true,d,title",
        "2026-01-01T00:00:00Z,,i,1,r,true,d,title",
        "2026-01-01T00:00:00Z,u,j,1,r,true,d,title",
        "2026-01-01T00:00:00Z,u,i,2,r,true,d,title",
        "2026-01-01T00:00:00Z,u,i,1,,true,d,title",
        "2026-01-01T00:00:00Z,u,i,1,d,true,r,title",
        "2026-01-01T00:00:00Z,u,i,1,r,false,d,title",
    ]
    fields = {"user_id": "u", "item_id": "i", "quantity": "q", "region": "r", "consent": "c",
              "device": "d", "title": "t"}  # fmt: skip
    found = by_line(classify(spark, head, [base, *same, *other], fields=fields))
    ids = [found[line]["event_id"] for line in sorted(found)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 1 + len(other)
    assert all(len(each) == 32 for each in ids)


def test_of_equal_ids_the_first_good_line_is_accepted(spark: SparkSession) -> None:
    rows = [
        ("b", 1, "x", None),
        ("a", 9, "x", "bad"),
        ("a", 10, "x", None),
        ("a", 11, "x", None),
        ("a", 12, "y", None),
        ("a", 13, "known", None),
    ]
    frame = spark.createDataFrame(rows, "file STRING, line INT, event_id STRING, reason STRING")
    known = spark.createDataFrame([("known",), ("known",)], "event_id STRING")
    for order in (F.col("line"), F.col("line").desc()):
        mixed = frame.orderBy(order).repartition(3)
        fated = with_fate(mixed, repeated_lines(mixed, known)).collect()
        assert sorted((row["file"], row["line"], row["fate"]) for row in fated) == [
            ("a", 9, "quarantined"),
            ("a", 10, "accepted"),
            ("a", 11, "duplicate"),
            ("a", 12, "accepted"),
            ("a", 13, "duplicate"),
            ("b", 1, "duplicate"),
        ]


def test_catalogue_rows(spark: SparkSession) -> None:
    dataset = shop(
        items={
            "pattern": "*",
            "fields": {"item_id": "i", "title": "t", "price": "p", "valid_from": "v"},
        },
        time_zone="Europe/London",
    )
    assert dataset.items is not None
    lines = ["a,A,1.5,2026-07-01", "b,,,", "b,,,", ",A,1,2026-01-01"]
    rows = [("f", number, line) for number, line in enumerate(lines, start=1)]
    raw = spark.createDataFrame(rows, "file STRING, line BIGINT, record STRING")
    parsed = parse_csv(raw, dataset.items, ("i", "t", "p", "v"))
    found = by_line(classify_items(parsed, dataset.items, dataset=dataset, where="f"))
    assert found[1]["valid_from"] == dt.datetime(2026, 6, 30, 23)
    assert (found[2]["title"], found[2]["price"], found[2]["valid_from"]) == (None, None, None)
    assert found[2]["event_id"] == found[3]["event_id"] != found[1]["event_id"]
    assert [found[line]["reason"] for line in (1, 2, 3, 4)] == [None, None, None, "missing_item"]
