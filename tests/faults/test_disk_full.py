"""A disk that fills up in the midst of a batch: it fails, the version before stays readable.

Where no small disk can be mounted, a limit on the size of files, which needs no privilege, still
makes writes fail in their midst.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ingest.shops import Shop
from pyspark.sql import SparkSession

from recsys_batch.lake.ledger import read_rows

from .disks import disk_with, files_of_at_most, small_disk
from .soak import TIMES

MEGABYTES = 6
# Bytes left free when the second batch begins: from next to nothing to almost enough.
# Bytes of the largest file that can be written.
SIZES = (2_000, 16_000) if TIMES == 1 else tuple(range(1_000, 60_000, 4_000))
LEFT = (0, 100_000, 400_000) if TIMES == 1 else tuple(range(0, 900_000, 45_000))
pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    with small_disk(tmp_path / "disk", MEGABYTES) as mounted:
        if not mounted:
            pytest.skip("a small disk cannot be mounted here; files of a limited size are tried")
        yield tmp_path / "disk"


def purchases(first: int, number: int) -> str:
    rows = (
        f"2026-01-{1 + n % 9:02},user {n * 7919},item {n * 104729},1"
        for n in range(first, first + number)
    )
    return "ts,u,i,q\n" + "\n".join(rows) + "\n"


def fails(made: Shop, content: str, what: str) -> bool:
    """Take the second file, which may fail and must leave the first batch readable."""
    failed = False
    try:
        made.take({"2.csv": content})
    except Exception as error:  # of the lake, of Spark or of the JVM
        failed = True
        sys.stdout.write(f"{what}: {type(error).__name__}\n")
    complete = read_rows(made.lake.home, "batches", status="complete")
    assert len(complete) == 2 - failed
    known = [row for row in read_rows(made.lake.home, "events") if row["batch_seq"] == 1]
    assert len(known) == 50
    return failed


FILES = {"1.csv": purchases(0, 50), "2.csv": purchases(50, 6000)}


def ends_as_if_nothing_had_failed(made: Shop, whole: Shop) -> None:
    first = made.digests("events")
    made.take()
    for name, content in FILES.items():
        whole.take({name: content})
    assert made.digests("events") == whole.digests("events") != first
    assert made.digests("quarantine") == whole.digests("quarantine")


def test_a_full_disk_fails_the_batch_and_leaves_what_was_there(
    spark: SparkSession, tmp_path: Path, disk: Path
) -> None:
    made = Shop(spark, tmp_path / "made")
    made.folder.mkdir()
    (made.folder / "lake").symlink_to(disk)
    made.take({"1.csv": FILES["1.csv"]})
    failures = 0
    for left in LEFT:
        with disk_with(left, disk):
            failures += fails(made, FILES["2.csv"], f"{left} bytes left")
    assert failures > 0
    ends_as_if_nothing_had_failed(made, Shop(spark, tmp_path / "whole"))


def test_a_file_that_cannot_be_written_whole_fails_the_batch_and_leaves_what_was_there(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path / "made")
    made.take({"1.csv": FILES["1.csv"]})
    for size in SIZES:
        with files_of_at_most(size, spark):
            assert fails(made, FILES["2.csv"], f"files of at most {size} bytes")
    ends_as_if_nothing_had_failed(made, Shop(spark, tmp_path / "whole"))
