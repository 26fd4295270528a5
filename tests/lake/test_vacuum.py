"""Vacuum removes what no version names and nothing else, and keeps what readers were promised."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from recsys_batch.lake.commit import commit_files
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.places import table_path
from recsys_batch.lake.tables import TABLES
from recsys_batch.lake.vacuum import Vacuumed, vacuum

from .written import write_files

RUN = {"run_id": "it's a \\ run, 50 %", "part": "full"}
POPULARITY = TABLES["popularity"]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def items(home: Path) -> list[str]:
    return sorted(row["item_id"] for row in read_rows(home, "popularity"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A table with a live file, a replaced one, one that was never committed, and a torn write."""
    for folder, item in (("files-1", "old"), ("files-2", "new")):
        path = write_files(tmp_path, folder, run_id=RUN["run_id"], items=[item])
        commit_files(path, folder, POPULARITY, replacing=RUN)
    live = next(path.glob("run_id=*/part=full/*files-2.parquet"))
    (live.parent / "part-0-orphan.parquet").write_bytes(live.read_bytes())
    write_files(tmp_path, "files-torn", run_id="r", items=["torn"])
    return tmp_path


def test_only_what_no_version_names_is_removed(home: Path) -> None:
    assert items(home) == ["new"]
    expected = (Vacuumed("popularity", 3, 1),)
    time.sleep(0.01)
    assert vacuum(home, keep_hours=0, now=now(), dry_run=True) == expected
    assert len(list(table_path(home, "popularity").rglob("*.parquet"))) == 4
    assert vacuum(home, keep_hours=0, now=now()) == expected
    (left,) = table_path(home, "popularity").rglob("*.parquet")
    assert left.name.endswith("files-2.parquet")
    assert not list(table_path(home, "popularity").glob("files-*"))
    assert items(home) == ["new"]
    assert vacuum(home, keep_hours=0, now=now()) == ()


def test_what_is_younger_than_the_limit_is_kept(home: Path) -> None:
    assert vacuum(home, keep_hours=1, now=now()) == ()
    hours_ago = time.time() - 2 * 3600
    folder = table_path(home, "popularity") / "files-torn"
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (hours_ago, hours_ago))
    assert vacuum(home, keep_hours=1, now=now()) == (Vacuumed("popularity", 1, 1),)
    assert items(home) == ["new"]
