"""Fault 19: clock changes, leap days and clocks that jump; the future changes no feature."""

from __future__ import annotations

import datetime as dt
import random
import sys
from pathlib import Path

import pytest
from ingest.shops import NOW, Shop, shop
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import features as run_features
from jobs import tune, validate
from recsys_batch.config import Settings
from recsys_batch.features.history import day_end
from recsys_batch.job import Job
from recsys_batch.lake.digests import frame_digest

from .soak import TIMES

pytestmark = pytest.mark.spark
SEEDS = range(19, 19 + TIMES)
HEAD = "ts,u,i,q\n"

# Local time in London -> the instant, UTC.
LONDON = {
    "2025-03-30 00:59:59": "2025-03-30 00:59:59",
    "2025-03-30 01:30:00": "2025-03-30 01:30:00",  # the hour left out: as the hour after
    "2025-03-30 02:00:00": "2025-03-30 01:00:00",
    "2025-06-01 00:30:00": "2025-05-31 23:30:00",  # of the day before, in UTC
    "2025-10-26 00:30:00": "2025-10-25 23:30:00",
    "2025-10-26 01:30:00": "2025-10-26 00:30:00",  # the hour that comes twice: its first
    "2025-10-26 02:00:00": "2025-10-26 02:00:00",
    "2025-10-26 01:30:00+00:00": "2025-10-26 01:30:00",  # an offset says which
    "2025-10-26 01:45:00+01:00": "2025-10-26 00:45:00",
    "2024-02-29 00:00:00": "2024-02-29 00:00:00",
    "2024-02-29 23:59:59": "2024-02-29 23:59:59",
    "2024-12-31 23:59:59": "2024-12-31 23:59:59",
}


def test_changes_of_the_clock_and_leap_days_land_in_the_right_day(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(time_zone="Europe/London"))
    wrong = ["2025-02-29 12:00:00", "2100-02-29 12:00:00", "2025-06-31 12:00:00"]
    times = [*LONDON, *wrong]
    made.take({"1.csv": HEAD + "".join(f"{time},u,i{n:02},1\n" for n, time in enumerate(times))})
    instant = F.date_format("event_time", "yyyy-MM-dd HH:mm:ss").alias("instant")
    rows = made.lake.read("events").select("item_id", instant, "event_date").collect()
    assert {times[int(row["item_id"][1:])]: row["instant"] for row in rows} == LONDON
    assert all(str(row["event_date"]) == row["instant"][:10] for row in rows)
    assert made.rows("quarantine", "line", "reason") == [
        (len(LONDON) + 2 + place, "bad_time") for place in range(len(wrong))
    ]


def test_a_day_of_the_clock_change_has_24_hours_and_a_leap_day_is_one() -> None:
    for year, month, day in ((2025, 3, 30), (2025, 10, 26), (2024, 2, 28), (2024, 2, 29)):
        date = dt.date(year, month, day)
        start = dt.datetime.combine(date, dt.time(), dt.UTC)
        assert day_end(date) - start == dt.timedelta(days=1)
    assert day_end(dt.date(2024, 2, 28)).date() == dt.date(2024, 2, 29)


def test_a_clock_that_jumps_between_landings_changes_no_event(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Back by a year, which makes nothing of the past a future event, and on by ten."""
    files = {
        f"{number}.csv": HEAD + f"2025-01-0{number},u,a,1\n2025-01-05,u,b{number},1\n"
        for number in (1, 2, 3)
    }
    year = dt.timedelta(days=365)
    steady, jumping = Shop(spark, tmp_path / "steady"), Shop(spark, tmp_path / "jumping")
    clocks = (NOW, NOW - year + dt.timedelta(days=4), NOW + 10 * year)
    for (name, text), clock in zip(files.items(), clocks, strict=True):
        steady.take({name: text})
        jumping.take({name: text}, now=clock)
    assert jumping.digests("events", "quarantine", "lateness") == steady.digests(
        "events", "quarantine", "lateness"
    )


def made_events(draw: random.Random, *, first: dt.datetime, days: int, number: int) -> list[str]:
    """Lines of purchases and cancellations, the clock changes among their days."""
    lines = []
    for _ in range(number):
        at = first + dt.timedelta(seconds=draw.randrange(days * 86_400))
        user, item = draw.randrange(6), draw.randrange(5)
        lines.append(f"{at:%Y-%m-%dT%H:%M:%S}Z,u{user},i{item},{draw.choice((-1, 1, 2))}\n")
    return lines


def features(made: Shop, day: dt.date, settings: Settings) -> dict[str, tuple[str, int]]:
    """Digests of the features of a day, and so of its run's name, which is of what it sees."""
    now = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    job = Job(settings=settings, lake=made.lake, landing=None, day=day, now=now)
    validate.run(job)
    tune.run(job)
    run_features.run(job)
    names = ("interactions", "popularity", "holdout", "users", "items")
    return {name: frame_digest(made.lake.read(name)) for name in names}


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_shuffling_events_after_the_cut_off_leaves_features_identical(
    spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    sys.stdout.write(f"seed {seed}\n")
    draw = random.Random(seed)
    day, zero = dt.date(2025, 10, 26), dt.datetime(2025, 10, 1, tzinfo=dt.UTC)
    types = [{"type": "cancel", "when": "q < 0"}, {"type": "purchase"}]
    dataset = shop(types=types, limits={"max_events_per_day": 3})
    settings = Settings.model_validate({"dataset": dataset.model_dump(mode="json")})
    past = made_events(draw, first=zero, days=26, number=120)
    future = made_events(draw, first=day_end(day), days=30, number=120)
    times = [line.split(",", 1)[0] for line in future]
    draw.shuffle(times)
    rests = [line.split(",", 1)[1] for line in future]
    shuffled = [f"{time},{rest}" for time, rest in zip(times, rests, strict=True)]
    digests = []
    for name, after in (("as it was", future), ("shuffled", shuffled), ("none", [])):
        made = Shop(spark, tmp_path / name, dataset)
        lines = [*past, *after]
        draw.shuffle(lines)
        made.take({"1.csv": HEAD + "".join(lines)})
        digests.append(features(made, day, settings))
    assert digests[0] == digests[1] == digests[2]
    assert all(digests[0][name][1] for name in ("interactions", "popularity", "holdout", "users"))
