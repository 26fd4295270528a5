"""Freshness: measured at the day's end; warned of or refused as configured."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession

from recsys_batch.config import Freshness
from recsys_batch.errors import StaleSourceError
from recsys_batch.ingest.days import count_batches
from recsys_batch.ingest.freshness import age_sentence, check_freshness, judged_age, source_ages
from recsys_batch.lake.ledger import read_rows

from .shops import Shop, shop

UNTIL = dt.datetime(2026, 1, 11, tzinfo=dt.UTC)
LIMITS = Freshness(warn_after_hours=24, fail_after_hours=48)


def ago(hours: float) -> dt.datetime:
    return UNTIL - dt.timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours", "state"), [(0, "fresh"), (24, "fresh"), (24.1, "warn"), (48, "warn"), (49, "fail")]
)
def test_an_age_is_judged_by_the_limits(hours: float, state: str) -> None:
    row = judged_age("events", until=UNTIL, newest=ago(hours), landed=ago(1), limits=LIMITS)
    assert (row["state"], row["age_hours"]) == (state, pytest.approx(hours))
    unlimited = judged_age("events", until=UNTIL, newest=ago(9999), landed=None, limits=Freshness())
    assert unlimited["state"] == "fresh"


def test_where_records_carry_no_time_the_landing_counts_and_a_later_one_is_no_age() -> None:
    row = judged_age("items", until=UNTIL, newest=None, landed=ago(30), limits=LIMITS)
    assert (row["age_hours"], row["state"]) == (30, "warn")
    row = judged_age("items", until=UNTIL, newest=None, landed=ago(-5000), limits=LIMITS)
    assert (row["age_hours"], row["state"]) == (0, "fresh")
    never = judged_age("items", until=UNTIL, newest=None, landed=None, limits=LIMITS)
    assert (never["state"], age_sentence(never)) == ("fail", "items never landed")


def test_a_stale_source_warns_or_fails_loudly_and_is_stored_either_way(tmp_path: Path) -> None:
    def check(hours: float, run_id: str) -> list[str]:
        said: list[str] = []
        row = judged_age("events", until=UNTIL, newest=ago(hours), landed=ago(1), limits=LIMITS)
        check_freshness(tmp_path, [row], run_id=run_id, limits={"events": LIMITS}, say=said.append)
        return said

    assert check(1, "a") == []
    assert check(30, "b") == [
        "warning: the newest of events is 30.0 hours old at the day's end; expected at most 24"
    ]
    with pytest.raises(StaleSourceError, match=r"fail_after_hours: the newest of events is 50\.0"):
        check(50, "c")
    stored = {row["run_id"]: row["state"] for row in read_rows(tmp_path, "freshness")}
    assert stored == {"a": "fresh", "b": "warn", "c": "fail"}


def test_warning_after_failing_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="must not be greater"):
        Freshness(warn_after_hours=3, fail_after_hours=2)


@pytest.mark.spark
def test_a_past_day_is_judged_by_its_own_end(spark: SparkSession, tmp_path: Path) -> None:
    """Whatever the clock says, and whatever of later days has landed since."""
    made = Shop(spark, tmp_path, shop(freshness={"events": LIMITS}))
    made.take({"1.csv": "ts,u,i,q\n2025-01-01T12:00:00,u,a,1\n2026-01-05,u,b,1\n"})
    batches = read_rows(made.lake.home, "batches", status="complete")
    count_batches(made.lake, horizon=1)
    ages = []
    for day in (dt.date(2025, 1, 1), dt.date(2025, 1, 3), dt.date(2026, 1, 5)):
        (row,) = source_ages(made.lake.home, batches, day=day, horizon=1, dataset=made.dataset)
        ages.append((row["age_hours"], row["state"]))
    assert ages == [(12, "fresh"), (60, "fail"), (24, "fresh")]


@pytest.mark.spark
def test_a_source_without_times_is_judged_by_the_landings_that_the_run_sees(
    spark: SparkSession, tmp_path: Path
) -> None:
    items = {"pattern": "items*", "fields": {"item_id": "sku"}}
    made = Shop(spark, tmp_path, shop(pattern="e*", items=items, freshness={"items": LIMITS}))
    first = {"e.csv": "ts,u,i,q\n2026-01-05,u,a,1\n", "items1.csv": "sku\na\n"}
    made.take({**first}, now=ago(60))
    made.take({"items2.csv": "sku\nb\n"}, now=ago(10))
    batches = read_rows(made.lake.home, "batches", status="complete")
    count_batches(made.lake, horizon=3)
    ages = []
    for horizon in (2, 3):
        items_row, _ = source_ages(
            made.lake.home, batches, day=ago(1).date(), horizon=horizon, dataset=made.dataset
        )
        ages.append((items_row["age_hours"], items_row["state"]))
    assert ages == [(60, "fail"), (10, "fresh")]
