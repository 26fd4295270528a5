"""The stage that chooses: once a log, whatever the order of days, and from no later day."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import ingest, tune, validate
from recsys_batch.config import load_settings
from recsys_batch.job import Job
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake
from recsys_batch.models.recipes import run_recipe
from recsys_batch.simulator import shop_settings, simulate

pytestmark = [pytest.mark.spark, pytest.mark.slow]
DAYS = 24
OVERRIDES: dict[str, Any] = {
    "evaluation.holdout_days": 2,
    "evaluation.relevant_types": ["view"],
    "tuning.max_users": 40,
    "tuning.min_users": 10,
    "model.sources": {"near": {"kind": "neighbours"}},
    "model.rerank": False,
}


@pytest.fixture(scope="module")
def landed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A lake that has taken every file, and the job of its last day."""
    folder = tmp_path_factory.mktemp("landed")
    shop = shop_settings("shop", {"users": 50, "items": 30, "days": DAYS})
    landing = simulate(shop, out=folder / "shop").landing
    last = max(dt.date.fromisoformat(path.stem) for path in (landing / "events").iterdir())
    job = Job(
        settings=load_settings("sample", overrides=OVERRIDES),
        lake=Lake(spark, folder / "lake"),
        landing=landing,
        day=last,
        now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
    )
    ingest.run(job)
    return job


def chosen(job: Job, days: list[dt.date]) -> tuple[dict[dt.date, dict[str, Any]], list[str]]:
    """The rows of the days' recipes, chosen in that order, and what was said."""
    said: list[str] = []
    rows = {}
    for day in days:
        of_day = replace(job, day=day, say=said.append)
        run_id = validate.run(of_day).run_id
        made = tune.run(of_day)
        (rows[day],) = read_rows(job.home, "recipes", run_id=run_id)
        assert made == run_recipe(job.home, run_id)
    return rows, said


@pytest.fixture(scope="module")
def days(landed: Job) -> list[dt.date]:
    """The log's first day, and two behind 20 and 21 days of history, of which 20 are looked at."""
    return [landed.day - dt.timedelta(days=back) for back in (DAYS - 1, 2, 1)]


@pytest.fixture(scope="module")
def forward(landed: Job, days: list[dt.date], tmp_path_factory: pytest.TempPathFactory):
    """A lake whose days were run in order: its job, the recipes by day, and what was said."""
    job = copied(landed, tmp_path_factory.mktemp("lakes") / "forward")
    return (job, *chosen(job, days))


def copied(job: Job, to: Path) -> Job:
    shutil.copytree(job.lake.home, to)
    return replace(job, lake=Lake(job.lake.spark, to))


def test_days_of_one_log_are_searched_once_and_never_into_the_hold_out(forward, days) -> None:
    _, rows, said = forward
    assert rows[days[1]]["recipe_id"] == rows[days[2]]["recipe_id"]
    assert sum(" trials in " in line for line in said) == 2  # the first day, and one for both
    assert sum(line.endswith(", holds") for line in said) == 1
    for day in days:
        assert rows[day]["until"] <= day - dt.timedelta(days=1)
    assert rows[days[1]]["trials"] > 0


def test_the_first_day_of_a_log_has_the_usual_recipe(forward, days) -> None:
    """The hold-out begins before the log does."""
    _, rows, said = forward
    assert rows[days[0]]["trials"] == 0
    assert any("the usual recipe is taken" in line for line in said)


def test_days_in_another_order_choose_the_same(landed, forward, days, tmp_path) -> None:
    backward, _ = chosen(copied(landed, tmp_path / "backward"), days[:0:-1])
    for day in days[1:]:
        for name in ("recipe_id", "until", "recipe", "reasons", "trials"):
            assert forward[1][day][name] == backward[day][name]


def test_a_repeat_holds_and_other_settings_choose_anew(forward, days) -> None:
    job, rows, _ = forward
    said: list[str] = []
    row = rows[days[2]]
    assert tune.run(replace(job, day=days[2], say=said.append)).text() == row["recipe"]
    assert said == [f"recipe {row['recipe_id']}, chosen by the log up to {row['until']}, holds"]
    assert not (job.home / "tuning" / f"{row['recipe_id']}.jsonl").exists()
    pinned = load_settings("sample", overrides={**OVERRIDES, "recommend.seen": "allow"})
    other, _ = chosen(replace(job, settings=pinned), days[2:])
    assert other[days[2]]["recipe_id"] != row["recipe_id"]
    assert run_recipe(job.home, other[days[2]]["run_id"]).seen == "allow"


def test_a_log_that_has_changed_is_searched_anew_before_its_time(landed, days, tmp_path) -> None:
    """The last day looks at 20 of 21 days, unless the 21st makes a week that differs enough."""
    found = {}
    for limit in (None, 1e-4):
        settings = load_settings("sample", overrides={**OVERRIDES, "tuning.max_drift": limit})
        job = copied(replace(landed, settings=settings), tmp_path / str(limit))
        rows, said = chosen(job, days[2:])
        found[limit] = rows[days[2]], said
    held, _ = found[None]
    anew, said = found[1e-4]
    assert anew["until"] == held["until"] + dt.timedelta(days=1)
    assert anew["reasons"][0].startswith(f"the log has changed by {anew['until']}: ")
    assert anew["reasons"][0] in said
    assert not any(reason.startswith("the log has changed") for reason in held["reasons"])
