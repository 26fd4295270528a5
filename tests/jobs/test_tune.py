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
    shop = shop_settings("shop", {"users": 60, "items": 40, "days": 24})
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


def copied(job: Job, to: Path) -> Job:
    shutil.copytree(job.lake.home, to)
    return replace(job, lake=Lake(job.lake.spark, to))


def test_days_in_any_order_choose_the_same_and_an_equal_log_is_searched_once(
    landed: Job, tmp_path: Path
) -> None:
    # One log for the first two: history of so many days is looked at anew every other day.
    days = [landed.day - dt.timedelta(days=back) for back in (3, 2, 0)]
    forward, said = chosen(copied(landed, tmp_path / "forward"), days)
    backward, _ = chosen(copied(landed, tmp_path / "backward"), days[::-1])
    chosen_by = {day: row["recipe_id"] for day, row in forward.items()}
    searched = [line for line in said if line.startswith("recipe ") and " trials in " in line]
    holding = [line for line in said if line.endswith(", holds")]
    assert len(searched) == len(set(chosen_by.values())) == 2
    assert len(holding) == 1
    for day in days:
        for name in ("recipe_id", "until", "recipe", "reasons", "trials"):
            assert forward[day][name] == backward[day][name]
        assert forward[day]["until"] <= day - dt.timedelta(days=1)  # before the hold-out
        assert forward[day]["trials"] > 0
        assert "near alone" not in forward[day]["reasons"]


def test_a_repeat_holds_and_other_settings_or_events_choose_anew(
    landed: Job, tmp_path: Path
) -> None:
    job = copied(landed, tmp_path / "lake")
    first, _ = chosen(job, [landed.day])
    again, said = chosen(job, [landed.day])
    assert again == first
    assert any(line.endswith("holds") for line in said)
    (row,) = first.values()
    assert not (job.home / "tuning" / f"{row['recipe_id']}.jsonl").exists()
    pinned = load_settings("sample", overrides={**OVERRIDES, "recommend.seen": "allow"})
    other, _ = chosen(replace(job, settings=pinned), [landed.day])
    (changed,) = other.values()
    assert changed["recipe_id"] != row["recipe_id"]
    assert '"seen": "allow"' in changed["recipe"]


def test_the_first_day_of_a_log_has_the_usual_recipe(landed: Job, tmp_path: Path) -> None:
    """The hold-out begins before the log does."""
    first = (
        min(row["day"] for row in read_rows(landed.home, "batch_days", table="events"))
        if (read_rows(landed.home, "batch_days"))
        else landed.day - dt.timedelta(days=23)
    )
    rows, said = chosen(copied(landed, tmp_path / "lake"), [first])
    (row,) = rows.values()
    assert row["trials"] == 0
    assert row["until"] <= first
    assert any("the usual recipe is taken" in line for line in said)
