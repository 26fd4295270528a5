"""Lateness against the newest day that earlier batches brought."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.ingest.lateness import lateness_rows, lateness_summary, watermark
from recsys_batch.lake.ledger import read_rows

from .shops import NOW, Shop

FRIDAY, MONDAY = dt.date(2026, 1, 2), dt.date(2026, 1, 5)


def test_events_are_late_by_the_days_before_the_watermark_and_shares_add_up() -> None:
    days = {FRIDAY: 1, MONDAY: 5, dt.date(2025, 12, 31): 2, dt.date(2026, 1, 6): 2}
    rows = lateness_rows(days, seq=4, before=MONDAY)
    assert [(row["batch_seq"], row["days_late"], row["events"]) for row in rows] == [
        (4, 0, 7),
        (4, 3, 1),
        (4, 5, 2),
    ]
    assert [row["share"] for row in rows] == [0.7, 0.8, 1.0]


def test_nothing_is_late_before_anything_landed_and_after_a_weekend_without_trade() -> None:
    first = lateness_rows({dt.date(2010, 1, 1): 1, MONDAY: 1}, seq=1, before=None)
    assert [(row["days_late"], row["events"]) for row in first] == [(0, 2)]
    monday = lateness_rows({MONDAY: 3}, seq=2, before=FRIDAY)
    assert [(row["days_late"], row["events"]) for row in monday] == [(0, 3)]


def test_the_watermark_is_of_the_source_and_in_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    times = {"events": dt.datetime(2026, 1, 6, 1, tzinfo=zone), "items": NOW}
    batches = [{"source": name, "newest_time": time} for name, time in times.items()]
    batches.append({"source": "events", "newest_time": None})
    assert watermark(batches, source="events") == MONDAY
    assert watermark([], source="events") is None


def test_percentiles_are_nearest_ranks_over_batches() -> None:
    rows = [
        {"days_late": late, "events": events} for late, events in ((0, 90), (2, 6), (1, 3), (9, 1))
    ]
    found = lateness_summary(rows)
    assert found == {"events": 100, "late": 10, "p50": 0, "p95": 2, "p99": 2, "p100": 9}
    assert lateness_summary([])["p100"] == 0


@pytest.mark.spark
def test_each_batch_records_how_late_its_accepted_events_were(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    head = "ts,u,i,q\n"
    made.take({"1.csv": head + "2026-01-05T23:59:59.5,u,a,1\n2026-01-01,u,a,1\n"})
    made.take({"2.csv": head + "2026-01-05,u,b,1\n2026-01-02,u,b,1\n2026-01-02,u,b,1\n,u,b,1\n"})
    rows = read_rows(made.lake.home, "lateness")
    assert sorted((row["batch_seq"], row["days_late"], row["events"]) for row in rows) == [
        (1, 0, 2),
        (2, 0, 1),
        (2, 3, 1),
    ]
    batches = {row["file"]: row for row in read_rows(made.lake.home, "batches")}
    newest = dt.datetime(2026, 1, 5, 23, 59, 59, 500_000, tzinfo=dt.UTC)
    assert batches["1.csv"]["newest_time"] == newest
    assert batches["2.csv"]["newest_time"] == dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    assert batches["2.csv"]["taken_at"] == NOW
    assert batches["2.csv"]["columns"] == ["ts", "u", "i", "q"]
