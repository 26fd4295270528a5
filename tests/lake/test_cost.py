"""What a stage costs, measured on real work."""

from __future__ import annotations

import datetime as dt
import math
import time

import numpy as np
import pytest

from recsys_batch.config import load_settings
from recsys_batch.errors import InputDataError
from recsys_batch.job import Job, timed_stage
from recsys_batch.lake.cost import Meter, PeakMemory, costs_text, processor_seconds
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake

DAY = dt.date(2026, 1, 12)


@pytest.mark.spark
def test_a_meter_counts_the_work_since_it_began_alone(spark, tmp_path):
    rows = spark.range(20_000).selectExpr("id % 7 AS key", "id")
    rows.write.parquet(str(tmp_path / "before"))
    meter = Meter(spark)
    start = time.perf_counter()
    read = spark.read.parquet(str(tmp_path / "before"))
    read.groupBy("key").sum("id").write.parquet(str(tmp_path / "after"))
    elapsed = time.perf_counter() - start
    cost = meter.stop()
    assert elapsed <= cost.seconds <= elapsed + 1
    assert 0 < cost.core_seconds <= cost.seconds * 64
    written = sum(path.stat().st_size for path in (tmp_path / "after").glob("*.parquet"))
    assert cost.bytes_written == written
    assert cost.bytes_read > 0
    assert cost.bytes_shuffled > 0
    nothing = Meter(spark).stop()
    assert (nothing.bytes_read, nothing.bytes_written, nothing.bytes_shuffled) == (0, 0, 0)


def test_memory_that_was_given_back_is_in_the_peak():
    memory = PeakMemory()
    memory.start()
    before = memory.bytes
    held = np.ones(50_000_000, dtype=np.int64)
    time.sleep(2.2)
    del held
    memory.stop()
    assert memory.bytes - before > 300e6


def test_processors_are_counted_and_sleep_is_not():
    start = processor_seconds()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        math.sqrt(2.0)
    worked = processor_seconds() - start
    time.sleep(0.5)
    assert worked >= 0.25
    assert processor_seconds() - start - worked < 0.4


@pytest.mark.spark
def test_a_stage_leaves_its_cost_once_it_has_ended_well(spark, tmp_path):
    job = Job(
        settings=load_settings("sample"),
        lake=Lake(spark, tmp_path / "lake" / "sample"),
        landing=None,
        day=DAY,
        now=dt.datetime.now(dt.UTC),
    )
    with pytest.raises(InputDataError), timed_stage(job, "train"):
        raise InputDataError("there is nothing", where="here", fix="add something")
    assert read_rows(job.home, "costs") == []
    for _ in range(2):
        with timed_stage(job, "train"):
            pass
    (row,) = read_rows(job.home, "costs")
    assert (row["as_of"], row["stage"]) == (DAY, "train")
    assert 0 <= row["seconds"] < 30
    assert row["peak_memory_bytes"] > 50e6


def test_costs_are_added_up_and_told_for_a_thousand_users():
    row = {"seconds": 2.0, "core_seconds": 3.0, "peak_memory_bytes": 4_000_000}
    row |= {"bytes_read": 1_000_000, "bytes_written": 2_000_000, "bytes_shuffled": 0}
    rows = [{"stage": "ingest", **row}, {"stage": "train", **row, "peak_memory_bytes": 9_000_000}]
    head, *lines, last = costs_text(rows, users=500).splitlines()
    assert head.split()[:3] == ["stage", "seconds", "core-s"]
    assert lines[-1].split() == ["in", "all", "4.0", "6.0", "9M", "2M", "4M", "0M"]
    assert last == "12.0 core-seconds for 1,000 users (500 have lists)"
    assert len(costs_text(rows, users=None).splitlines()) == 4
