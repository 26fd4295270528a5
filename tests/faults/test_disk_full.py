"""A disk that fills up in the midst of a batch: it fails, the version before stays readable.

Where no small disk can be mounted, a limit on the size of files, which needs no privilege, still
makes writes fail in their midst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from ingest.shops import Shop, shop
from pyspark.sql import SparkSession

from recsys_batch.errors import RecsysError
from recsys_batch.lake.failures import stage_failure
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


def fails(work: Callable[[], object]) -> bool:
    """Whether it fails, with an error that the command line says in one sentence."""
    try:
        work()
    except Exception as error:
        assert isinstance(error, RecsysError) or stage_failure(error, where="here"), error
        return True
    return False


def batches(made: Shop) -> int:
    """How many batches are complete; the first, which is one of them, must be readable."""
    known = [row for row in read_rows(made.lake.home, "events") if row["batch_seq"] == 1]
    assert len(known) == 50
    complete = read_rows(made.lake.home, "batches", status="complete")
    return len({row["batch_seq"] for row in complete})


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
        before = batches(made)
        with disk_with(left, disk):
            failed = fails(lambda: made.take({"2.csv": FILES["2.csv"]}))
            assert batches(made) == (before if failed else 2)
        failures += failed
    assert failures > 0
    ends_as_if_nothing_had_failed(made, Shop(spark, tmp_path / "whole"))


def test_a_file_that_cannot_be_written_whole_fails_the_batch_and_leaves_what_was_there(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path / "made")
    made.take({"1.csv": FILES["1.csv"]})
    made.land({"2.csv": FILES["2.csv"]})
    for size in SIZES:
        with files_of_at_most(size, spark):
            assert fails(made.take)
        assert batches(made) == 1
    ends_as_if_nothing_had_failed(made, Shop(spark, tmp_path / "whole"))


def test_a_replay_without_space_lets_in_none_of_its_lines(
    spark: SparkSession, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", MEGABYTES) as mounted:
        made = Shop(spark, tmp_path / "disk")
        limit = partial(files_of_at_most, spark=spark)
        starve = partial(disk_with, disk=made.folder) if mounted else limit
        lines = purchases(50, 3000).replace(",1\n", ",1 pcs\n")
        made.take({"1.csv": FILES["1.csv"], "2.csv": lines})
        before = {"1.csv": (50, 50, 0, 0), "2.csv": (3000, 0, 3000, 0)}
        after = {**before, "2.csv": (3000, 3000, 0, 0)}
        assert made.standing() == before
        read = {"user_id": "u", "item_id": "i", "quantity": "replace(q, ' pcs', '')"}
        made.dataset = shop(fields=read)
        failures = []
        for left in LEFT:
            with starve(left):
                failures.append(fails(made.replay))
                assert made.standing() == (before if all(failures) else after)
                assert batches(made) == (1 if all(failures) else 2)
        assert failures[0]
        made.replay()
        assert made.standing() == after
        ids = made.rows("events", "event_id")
        assert len(set(ids)) == len(ids) == 3050
