"""A disk that fills up in the midst of a batch: it fails, the version before stays readable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ingest.shops import Shop
from pyspark.sql import SparkSession

from recsys_batch.lake.ledger import read_rows

from .soak import TIMES

MEGABYTES = 6
# Bytes left free when the second batch begins: from next to nothing to almost enough.
LEFT = (0, 100_000, 400_000) if TIMES == 1 else tuple(range(0, 900_000, 45_000))
pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def purchases(first: int, number: int) -> str:
    rows = (
        f"2026-01-{1 + n % 9:02},user {n * 7919},item {n * 104729},1"
        for n in range(first, first + number)
    )
    return "ts,u,i,q\n" + "\n".join(rows) + "\n"


def fill(disk: Path, left: int) -> Path:
    """Write a file that leaves so many bytes free."""
    ballast = disk / "ballast"
    status = subprocess.run(
        ["df", "--output=avail", "-B1", str(disk)], capture_output=True, text=True, check=True
    )
    free = int(status.stdout.split()[-1])
    with ballast.open("wb") as out:
        out.write(b"x" * max(0, free - left))
    return ballast


def test_a_full_disk_fails_the_batch_and_leaves_what_was_there(
    spark: SparkSession, tmp_path: Path, disk: Path
) -> None:
    whole = Shop(spark, tmp_path / "whole")
    files = {"1.csv": purchases(0, 50), "2.csv": purchases(50, 6000)}
    for name, content in files.items():
        whole.take({name: content})

    made = Shop(spark, tmp_path / "made")
    made.folder.mkdir()
    (made.folder / "lake").symlink_to(disk)
    made.take({"1.csv": files["1.csv"]})
    first = made.digests("events")
    failures = 0
    for left in LEFT:
        ballast = fill(disk, left)
        try:
            made.take({"2.csv": files["2.csv"]})
        except Exception as error:  # of the lake, of Spark or of the JVM
            failures += 1
            sys.stdout.write(f"{left} bytes left: {type(error).__name__}\n")
        ballast.unlink()
        complete = read_rows(made.lake.home, "batches", status="complete")
        if len(complete) == 1:
            known = [row for row in read_rows(made.lake.home, "events") if row["batch_seq"] == 1]
            assert len(known) == 50
    assert failures > 0
    made.take()
    assert made.digests("events") == whole.digests("events") != first
    assert made.digests("quarantine") == whole.digests("quarantine")
