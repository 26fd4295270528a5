"""SIGKILL in mid-replay and in mid-evolution: what was not complete is as if it had never begun.

A replay is killed after its events were committed, and in the soak also as a data file of it
appears and after its verdicts were committed; a batch whose files have a new column is killed
after that was recorded.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from recsys_batch.ingest.conservation import Conservation, standing
from recsys_batch.lake.ledger import read_rows

from .killed_lake import FIELDS, Lake, appears, never
from .soak import TIMES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATA, COMMITS = "silver/events/**/*.parquet", "silver/events/_delta_log/*.json"
VERDICTS, SHAPES = "bronze/quarantine/_delta_log/*.json", "silver/schemas/_delta_log/*.json"
READ, MENDED = {**FIELDS, "quantity": "q"}, {**FIELDS, "quantity": "replace(q, ' pcs', '')"}
GOOD = {f"a{n}" for n in range(30)}
MENDABLE = {f"b{n}" for n in range(12)}


def event(name: str, *rest: str, item: str = "i") -> str:
    day = 1 + int(name[1:]) % 5
    return ",".join((name, f"2026-01-{day:02}T12:00:00Z", "u", item, *rest)) + "\n"


def land(lake: Lake, file: str, head: str, *lines: str) -> None:
    lake.source.mkdir(exist_ok=True)
    (lake.source / file).write_text(f"{head}\n" + "".join(lines))


def files(lake: Lake) -> dict[str, Conservation]:
    found = standing(read_rows(lake.home, "batches", status="complete"))
    return {file: rows for (_, file), rows in found.items()}


def test_a_killed_replay_lets_in_all_of_its_lines_or_none(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "source", tmp_path / "killed")
    land(
        lake,
        "1.csv",
        "id,ts,u,i,q",
        *(event(name, "1") for name in sorted(GOOD)),
        *(event(name, "2 pcs") for name in sorted(MENDABLE)),
        *(event(name, "2 pcs") for name in ("a1", "a2", "b3")),
        *(event(f"c{n}", "1", item="") for n in range(5)),
    )
    assert not lake.kill(never, fields=READ)
    before, after = Conservation(1, 50, 30, 20, 0), Conservation(1, 50, 42, 5, 3)
    assert files(lake) == {"1.csv": before}

    for pattern in (COMMITS, DATA, VERDICTS)[: 1 if TIMES == 1 else 3]:
        assert lake.kill(appears(lake, pattern), act="replay", fields=MENDED)
        ids, _ = lake.complete()
        (seen,) = files(lake).values()
        assert seen in (before, after)
        assert Counter(ids) == Counter(GOOD if seen == before else GOOD | MENDABLE)
        if seen == after:  # the kill came too late for this replay, and the next finds no more
            break
    assert not lake.kill(never, act="replay", fields=MENDED)
    assert files(lake) == {"1.csv": after}
    assert Counter(lake.complete()[0]) == Counter(GOOD | MENDABLE)
    assert len(read_rows(lake.home, "events")) == 42


@pytest.mark.soak
def test_a_batch_killed_once_its_new_column_was_recorded_is_recorded_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "source", tmp_path / "killed")
    land(lake, "1.csv", "id,ts,u,i", *(event(name) for name in sorted(GOOD)))
    assert not lake.kill(never)
    land(lake, "2.csv", "id,ts,u,i,colour", *(event(name, "red") for name in sorted(MENDABLE)))

    assert lake.kill(appears(lake, SHAPES))
    assert Counter(lake.complete()[0]) == Counter(
        GOOD if len(files(lake)) == 1 else GOOD | MENDABLE
    )
    assert not lake.kill(never)
    assert Counter(lake.complete()[0]) == Counter(GOOD | MENDABLE)
    assert files(lake) == {
        "1.csv": Conservation(1, 30, 30, 0, 0),
        "2.csv": Conservation(1, 12, 12, 0, 0),
    }
    told = read_rows(lake.home, "schemas")
    assert {row["verdict"] for row in told} == {"accepted"}
    assert [(row["batch_seq"], row["name"]) for row in told if row["change"]] == [(2, "colour")]
    columns = Counter((row["batch_seq"], row["name"]) for row in told if row["aspect"] == "column")
    assert set(columns.values()) == {1}
    assert {name for seq, name in columns if seq == 2} == {"id", "ts", "u", "i", "colour"}
