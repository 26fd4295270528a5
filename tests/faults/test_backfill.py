"""A range of days backfilled forward, reversed and out of order gives the same rows."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import features, ingest, tune, validate
from recsys_batch.config import load_settings
from recsys_batch.job import Job
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.store import Lake
from recsys_batch.simulator import shop_settings, simulate

from .soak import TIMES

DAYS = 3 if TIMES == 1 else 30
MADE = ("interactions", "users", "items", "popularity", "holdout")
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(600 * TIMES)]


@pytest.fixture(scope="module")
def landed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A lake that has taken every file, and the job of its last day."""
    folder = tmp_path_factory.mktemp("landed")
    shop = shop_settings("shop", {"users": 80, "items": 60, "days": 10 + DAYS})
    landing = simulate(shop, out=folder / "shop").landing
    last = max(dt.date.fromisoformat(path.stem) for path in (landing / "events").iterdir())
    job = Job(
        settings=load_settings("sample"),
        lake=Lake(spark, folder / "lake"),
        landing=landing,
        day=last,
        now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
    )
    ingest.run(job)
    return job


def made(job: Job) -> dict[str, tuple[str, int]]:
    """Digest and number of the rows of each table that the days' runs made."""
    return {name: frame_digest(job.lake.read(name)) for name in MADE}


def run(job: Job, day: dt.date) -> str:
    of_day = replace(job, day=day)
    opened = validate.run(of_day)
    tune.run(of_day)
    features.run(of_day)
    return opened.run_id


def test_days_in_any_order_give_the_same_rows(
    spark: SparkSession, landed: Job, tmp_path: Path
) -> None:
    days = [landed.day - dt.timedelta(days=back) for back in range(DAYS)]
    orders = {"forward": days[::-1], "out of order": days[1::2] + days[::2]}
    if TIMES > 1:
        orders["reversed"] = days
    names, digests = {}, {}
    for order, sequence in orders.items():
        shutil.copytree(landed.lake.home, tmp_path / order)
        job = replace(landed, lake=Lake(spark, tmp_path / order))
        names[order] = {day: run(job, day) for day in sequence}
        digests[order] = made(job)
    assert all(each == names["forward"] for each in names.values())
    assert all(each == digests["forward"] for each in digests.values())
    assert all(rows for _, rows in digests["forward"].values())


def test_a_horizon_repeats_what_a_run_saw_before_late_files(
    spark: SparkSession, landed: Job, tmp_path: Path
) -> None:
    shutil.copytree(landed.lake.home, tmp_path / "lake")
    shutil.copytree(landed.landing or Path(), tmp_path / "landing")
    job = replace(landed, lake=Lake(spark, tmp_path / "lake"), landing=tmp_path / "landing")
    before = validate.run(job)
    path = tmp_path / "landing" / "events" / f"{job.day}.csv"
    head, first, *_ = path.read_text().splitlines()
    late = first.replace(first.split(",")[head.split(",").index("event_id")], "late", 1)
    path.with_name("late.csv").write_text(f"{head}\n{late}\n")
    assert ingest.run(job)["events"].accepted == 1
    now = validate.run(job)
    assert now.run_id != before.run_id
    assert now.events == before.events + 1
    again = validate.run(replace(job, horizon=before.horizon))
    assert again == before
    assert replace(job, horizon=before.horizon).open_run() == before
    assert job.open_run() == now
