"""SIGKILL of ingest: right after a commit, as a data file appears, and at random moments.

One lake is killed again and again; after each kill what readers may see is whole, and in the end
every event that landed is there once.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from .killed_lake import Lake, after, appears, never
from .soak import TIMES

SEED = 9
KILLS = 3 if TIMES == 1 else 100
BATCHES = 6 + 2 * KILLS  # more than are taken between the kills
EVENTS = "silver/events"
DATA, COMMITS = f"{EVENTS}/**/*.parquet", f"{EVENTS}/_delta_log/*.json"
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


def test_ingest_killed_anywhere_loses_and_doubles_nothing(source: Path, tmp_path: Path) -> None:
    lake = Lake(source, tmp_path / "killed")
    draw = random.Random(SEED)
    sys.stdout.write(f"seed {SEED}\n")
    kills = Counter[str]()
    lasting = 0.0
    for number in range(KILLS):
        kind = ("commit", "data file", "moment")[number % 3]
        loose, moment = lake.uncommitted(EVENTS), draw.uniform(0, 2 * lasting)
        if kind == "moment":
            until = after(lake, moment)
        else:
            until = appears(lake, COMMITS if kind == "commit" else DATA)
        assert lake.kill(until), "all files were taken before the kills were done"
        lasting = lasting or time.monotonic() - lake.ready  # of the first file, all but its end
        kills[kind] += 1
        if kind == "data file" and lake.uncommitted(EVENTS) - loose:
            kills["data file without a commit"] += 1
        check(lake)
    for _ in range(4):  # a busy machine may have let the commit pass
        if not kills["data file without a commit"]:
            loose = lake.uncommitted(EVENTS)
            assert lake.kill(appears(lake, DATA))
            kills["data file without a commit"] += len(lake.uncommitted(EVENTS) - loose)
            check(lake)
    assert kills["data file without a commit"] > 0, kills
    assert not lake.kill(never)
    check(lake)
    assert lake.taken() == sorted(path.name for path in source.iterdir())
