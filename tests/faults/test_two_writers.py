"""Two writers of a table, both begun from the same version: a serial order, or a clean conflict."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import CommitFailedError, DeltaError
from lake.written import write_files

from recsys_batch.lake import commit
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.tables import TABLES

from .soak import TIMES

POPULARITY = TABLES["popularity"]


def write_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, replacing: dict[str, str] | None
) -> list[str]:
    """Commit two folders of files, neither before both have looked; items of those that did."""
    both = threading.Barrier(2, timeout=60)
    look = commit.open_table

    def looked(place: Path) -> Any:
        found = look(place)
        both.wait()
        return found

    monkeypatch.setattr(commit, "open_table", looked)
    path = home
    for item in ("a", "b"):
        path = write_files(home, f"files-{item}", run_id="r", items=[item])

    def one(item: str) -> str | None:
        try:
            commit.commit_files(path, f"files-{item}", POPULARITY, replacing=replacing)
        except DeltaError as error:
            assert isinstance(error, CommitFailedError), error
            return None
        return item

    with ThreadPoolExecutor(2) as pool:
        return [item for item in pool.map(one, ("a", "b")) if item]


def items(home: Path) -> list[str]:
    return sorted(row["item_id"] for row in read_rows(home, "popularity"))


@pytest.mark.parametrize("_time", range(TIMES))
def test_two_that_add_rows_both_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _time: int
) -> None:
    assert write_at_once(tmp_path, monkeypatch, None) == ["a", "b"]
    assert items(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("_time", range(TIMES))
def test_of_two_that_replace_the_same_rows_one_wins_or_the_other_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _time: int
) -> None:
    """Never both and never a mixture; a writer that lost is told so."""
    run = {"run_id": "r", "part": "full"}
    with monkeypatch.context() as before:
        path = write_files(tmp_path, "files-0", run_id="r", items=["x", "y"])
        commit.commit_files(path, "files-0", POPULARITY, replacing=run)
        before.undo()
    written = write_at_once(tmp_path, monkeypatch, run)
    found = items(tmp_path)
    assert found in (["a"], ["b"])
    assert found[0] in written
