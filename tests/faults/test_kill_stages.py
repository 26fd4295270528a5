"""SIGKILL in stages of a day; the stage repeated, the day's publication is the undisturbed one.

`test_kill_run` kills whole runs, over two days; it is one of the soak tests.
"""

from __future__ import annotations

import datetime as dt
import importlib
import random
import sys
from pathlib import Path

import pytest
from e2e.sample import DAYS, Shop
from pyspark.sql import SparkSession

from recsys_batch.config import load_settings
from recsys_batch.inspection import dataset_status
from recsys_batch.job import Job
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake, write_lock
from recsys_batch.pipeline import STAGES

from .children import Place, kill_in, leftovers, publication, read_as_a_user, tables
from .soak import TIMES

SEED = 6
TWICE = ("ingest", "export")  # what has most commits, and what goes live
# What sums up, what fits, and what goes live; ingest has kills of its own.
KILLED = ("features", "train", "export") if TIMES == 1 else tuple(each.name for each in STAGES)
pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_a_day_killed_in_its_stages_becomes_what_an_undisturbed_one_is(
    spark: SparkSession,
    shop: Shop,
    tmp_path: Path,
) -> None:
    sys.stdout.write(f"seed {SEED}\n")
    draw = random.Random(SEED)
    place = Place(tmp_path / "lake", shop.landing)
    job = Job(
        settings=load_settings("sample"),
        lake=Lake(spark, place.home),
        landing=shop.landing,
        day=dt.date.fromisoformat(DAYS[0]),
        now=dt.datetime.now(dt.UTC),
    )
    kills = 0
    for stage in STAGES:
        for _ in range((stage.name in KILLED) + (stage.name in TWICE and TIMES > 1)):
            for longest in (4.0, 1.0, 0.0):  # a stage that ends before its kill is begun again
                after = draw.uniform(0, longest)
                where = kill_in(place, DAYS[0], stage.name, after, alone=True)
                if where == stage.name:
                    kills += 1
                    break
            sys.stdout.write(f"killed {after:.2f} s into {stage.name}: {where}\n")
            assert read_as_a_user(place.home) is None or stage.name == "export"
            dataset_status(dataset="sample", lake=str(place.lake))
        with write_lock(place.home):
            importlib.import_module(f"jobs.{stage.name}").run(job)
    assert kills >= len(KILLED)
    (undisturbed,) = (row["run_id"] for row in read_rows(shop.home, "runs", as_of=job.day))
    assert read_as_a_user(place.home) == undisturbed
    assert publication(place.home, undisturbed) == publication(shop.home, undisturbed)
    assert tables(place.home)["batches"] == tables(shop.home)["batches"]
    assert leftovers(place.home) == []
