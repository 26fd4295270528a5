"""SIGKILL of ingest: at random moments, as a data file appears, and right after a commit.

One lake is killed again and again; after each kill what readers may see is whole, and in the end
every event that landed is there once.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_batch.lake.ledger import read_rows

from .children import kill_session
from .soak import TIMES

SEED = 9
KILLS = 3 if TIMES == 1 else 100
BATCHES = 14 + 2 * KILLS  # more than are taken between the kills
CHILD = Path(__file__).with_name("ingest_child.py")
DATA, COMMITS = "silver/events/**/*.parquet", "silver/events/_delta_log/*.json"
HEAD = "id,ts,u,i\n"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * TIMES)]


def lines(file: int) -> list[str]:
    """Events of a file: new ones, some of the file before, one repeated, one broken."""
    new = range(100 * file, 100 * file + 60)
    old = range(max(0, 100 * file - 50), max(0, 100 * file - 45))
    good = [f"e{n},2026-01-{1 + n % 7:02}T12:00:00Z,u{n % 20},i{n % 9}" for n in (*old, *new)]
    return [*good, good[-1], f"e{100 * file + 99},never,u,i"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for file in range(BATCHES):
        (folder / f"{file:04}.csv").write_text(HEAD + "\n".join(lines(file)) + "\n")
    return folder


class Lake:
    """A lake that children write, seen by its files alone."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source, self.folder, self.home = source, folder, folder / "lake"

    def start(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, str(CHILD), str(self.source), str(self.folder)],
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    def files(self, pattern: str) -> set[str]:
        return {str(path) for path in self.home.glob(pattern)}

    def kill(self, until: Callable[[], bool]) -> bool:
        """Start a child and kill it when `until` says so; False where it ended before."""
        child = self.start()
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n", (self.folder / "out").read_text()[-2000:]
            while not until():
                if child.poll() is not None:
                    assert child.returncode == 0, (self.folder / "out").read_text()[-2000:]
                    return False
                time.sleep(0.001)
        finally:
            kill_session(child)
        return True

    def complete(self) -> tuple[list[str], dict[str, int]]:
        """Event ids that readers see, and the rows of all complete batches by fate."""
        batches = read_rows(self.home, "batches", status="complete")
        known = {row["batch_seq"] for row in batches}
        ids = [r["event_id"] for r in read_rows(self.home, "events") if r["batch_seq"] in known]
        fates = ("landed", "accepted", "quarantined", "duplicate")
        return ids, {name: sum(row[name] for row in batches) for name in fates}

    def taken(self) -> list[str]:
        rows = read_rows(self.home, "batches", status="complete")
        return sorted(row["file"] for row in rows)


def check(lake: Lake) -> None:
    """Every file that was taken is there whole, each of its events once."""
    ids, rows = lake.complete()
    taken = lake.taken()
    assert len(set(taken)) == len(taken)
    expected = {line.split(",")[0] for name in taken for line in lines(int(name[:4]))[:-1]}
    assert Counter(ids) == Counter(expected)
    assert rows["landed"] == rows["accepted"] + rows["quarantined"] + rows["duplicate"]
    assert rows["landed"] == sum(len(lines(int(name[:4]))) for name in taken)
    assert rows["quarantined"] == len(taken)


def at(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > moment


def appears(lake: Lake, pattern: str) -> Callable[[], bool]:
    """Whether a file of the pattern is there that is not there now."""
    before = lake.files(pattern)
    return lambda: bool(lake.files(pattern) - before)


def test_ingest_killed_anywhere_loses_and_doubles_nothing(source: Path, tmp_path: Path) -> None:
    lake = Lake(source, tmp_path / "killed")
    draw = random.Random(SEED)
    sys.stdout.write(f"seed {SEED}\n")
    kills = Counter[str]()
    for number in range(KILLS):
        kind = ("moment", "data file", "commit")[number % 3]
        commits = lake.files(COMMITS)
        if kind == "moment":
            until = at(time.monotonic() + draw.uniform(0, 5))
        else:
            until = appears(lake, DATA if kind == "data file" else COMMITS)
        assert lake.kill(until), "all files were taken before the kills were done"
        kills[kind] += 1
        if kind == "data file" and lake.files(COMMITS) == commits:
            kills["data file without a commit"] += 1
        check(lake)
    assert TIMES == 1 or kills["data file without a commit"] > 0, kills
    assert not lake.kill(lambda: False)
    check(lake)
    assert lake.taken() == sorted(path.name for path in source.iterdir())
