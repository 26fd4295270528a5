"""A disk that fills up in each stage of a day: it fails clearly, and readers see what they saw.

The day is the second of a shop whose first is live. Each stage is begun with nothing left and with
shares of what it writes, fails, and is repeated when there is space; in the end the day's
publication is that of the undisturbed shop.
"""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from e2e.sample import DAYS, Shop
from pyspark.sql import SparkSession

from recsys_batch.edge.rollback import rollback
from recsys_batch.errors import RecsysError
from recsys_batch.inspection import dataset_status
from recsys_batch.job import opened, timed_stage
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.places import table_path
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES
from recsys_batch.pipeline import STAGES, Stage
from recsys_batch.publish.manifest import manifests

from .children import leftovers, publication, read_as_a_user, tables
from .disks import disk_with, files_of_at_most, small_disk
from .soak import TIMES

MEGABYTES = 400
# Of what a stage writes.
SHARES = (0.0, 0.3) if TIMES == 1 else tuple(each / 20 for each in range(20))
SETTINGS = {"spark.driver_memory": "1g", "spark.shuffle_partitions": 2}
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(600 * TIMES)]
Starve = Callable[[int], AbstractContextManager[None]]


@dataclass(frozen=True)
class Day:
    """A copy of the shop's lake whose first day is live and whose second has yet to be run."""

    shop: Shop
    lake: Path
    first: str

    @property
    def home(self) -> Path:
        return self.lake / "sample"

    def run(self, stage: Stage) -> None:
        with (
            opened(
                dataset="sample",
                day=DAYS[1],
                landing=str(self.shop.landing),
                lake=str(self.lake),
                overrides=SETTINGS,
                say=lambda _line: None,
            ) as job,
            timed_stage(job, stage.name),
        ):
            importlib.import_module(f"jobs.{stage.name}").run(job)

    def starved(self, stage: Stage, starve: Starve, left: int) -> bool:
        """Run a stage with so little space; whether it failed, which it may with one sentence."""
        try:
            with starve(left):
                self.run(stage)
        except RecsysError as error:
            sys.stdout.write(f"{stage.name}, {left} bytes left: {type(error).__name__}: {error}\n")
            return True
        return False

    def bytes_of(self, stage: Stage) -> int:
        """What a stage writes for the second day, as it did in the shop's lake."""
        files = (
            path
            for name in stage.writes
            for folder in (self.shop.home / name, *self._table(name))
            for path in folder.rglob("*")
            if self.shop.live() in str(path) and path.is_file()
        )
        return sum(path.stat().st_size for path in files) + (1 << 15)  # and rows of ledgers

    def _table(self, name: str) -> list[Path]:
        return [table_path(self.shop.home, name)] if name in TABLES else []


def before_the_second_day(shop: Shop, spark: SparkSession, folder: Path) -> Day:
    shutil.copytree(shop.home, folder / "sample")
    first, second = (each["publication_id"] for each in manifests(shop.home))
    day = Day(shop, folder, first)
    rollback(day.home, to=first, actor="test", at=dt.datetime.now(dt.UTC))
    lake = Lake(spark, day.home)
    for name, table in TABLES.items():
        for column in {"run_id", "publication_id"} & set(table.names):
            lake.delete(name, **{column: second})
    for name in ("edge", "exports", "fitted"):
        shutil.rmtree(day.home / name / second)
    return day


def fail_and_repeat(day: Day, starve: Starve) -> None:
    """Each stage with too little space, then with enough; readers look meanwhile."""
    whole = publication(day.home, day.first)
    for stage in STAGES:
        kept = {name: read_rows(day.home, name) for name in ("publications", "batches")}
        failures = []
        for share in SHARES:
            failures.append(day.starved(stage, starve, int(share * day.bytes_of(stage))))
            assert read_as_a_user(day.home) == day.first
            assert publication(day.home, day.first) == whole
            dataset_status(dataset="sample", lake=str(day.lake))
            if failures[-1]:
                # A stage that only could not tell its cost has done its work, and may be repeated.
                now = {name: read_rows(day.home, name) for name in kept}
                assert all(row in now[name] for name, rows in kept.items() for row in rows)
        assert failures[0] or stage.name == "ingest", stage  # of which nothing is new
        day.run(stage)


def ends_as_undisturbed(day: Day) -> None:
    live = day.shop.live()
    assert read_as_a_user(day.home) == live
    assert publication(day.home, live) == publication(day.shop.home, live)
    assert tables(day.home) == tables(day.shop.home)
    assert leftovers(day.home) == []
    assert not list(day.home.rglob("files-*"))


def test_a_disk_that_fills_up_in_a_stage(shop: Shop, spark: SparkSession, tmp_path: Path) -> None:
    """Where none can be mounted, files are limited instead."""
    with small_disk(tmp_path / "disk", MEGABYTES) as mounted:
        day = before_the_second_day(shop, spark, tmp_path / "disk")
        starve = partial(disk_with, disk=tmp_path / "disk")
        fail_and_repeat(day, starve if mounted else partial(files_of_at_most, spark=spark))
        ends_as_undisturbed(day)


@pytest.mark.soak
def test_files_that_cannot_be_written_whole_in_a_stage(
    shop: Shop, spark: SparkSession, tmp_path: Path
) -> None:
    day = before_the_second_day(shop, spark, tmp_path / "lake")
    fail_and_repeat(day, partial(files_of_at_most, spark=spark))
    ends_as_undisturbed(day)
