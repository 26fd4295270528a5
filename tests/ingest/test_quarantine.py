"""Listing and showing quarantine, on a table that was written without Spark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from recsys_batch.cli import main
from recsys_batch.ingest.quarantine import (
    counts_text,
    lines_text,
    quarantine_counts,
    quarantined_lines,
)
from recsys_batch.lake.ledger import replace_rows

ODD = "it's {odd}.csv"


def verdict(seq: int, file: str, line: int, reason: str | None, **more: Any) -> dict[str, Any]:
    row = {"batch_seq": seq, "source": "events", "file": file, "line": line, "reason": reason}
    row |= {"fate": "quarantined" if reason else "accepted", "detail": f"found {reason}"}
    return row | {"record": f"user-{line}" if reason else None} | more


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two batches, a replay that let a line in and renamed another, and a replay that died."""
    home = tmp_path / "sample"
    batches = {
        1: [verdict(1, "a.csv", line, "bad_time") for line in (9, 3, 5)],
        2: [
            verdict(2, ODD, 2, "unknown_type"),
            verdict(2, "a.csv", 3, "bad_price", source="items"),
        ],
        3: [verdict(3, "a.csv", 3, None), verdict(3, "a.csv", 5, "missing_item")],
        4: [verdict(4, "a.csv", 9, None)],
    }
    for seq, rows in batches.items():
        replace_rows(home, "quarantine", rows, batch_seq=seq)
        status = "started" if seq == 4 else "complete"
        batch = {"batch_seq": seq, "file": "x", "source": "events", "status": status}
        replace_rows(home, "batches", [batch], batch_seq=seq)
    return home


def test_counts_are_of_the_latest_complete_verdicts_with_an_example(home: Path) -> None:
    names = ("source", "reason", "batch_seq", "lines", "file", "line")
    assert [tuple(row[name] for name in names) for row in quarantine_counts(home)] == [
        ("events", "bad_time", 1, 1, "a.csv", 9),
        ("events", "missing_item", 1, 1, "a.csv", 5),
        ("events", "unknown_type", 2, 1, ODD, 2),
        ("items", "bad_price", 2, 1, "a.csv", 3),
    ]
    text = counts_text(quarantine_counts(home)).splitlines()
    assert text[0] == "4 lines lie in quarantine"
    assert text[3].split() == f"1 unknown_type events batch 2 such as {ODD}, line 2".split()


def test_lines_are_shown_in_order_and_records_only_when_asked_for(home: Path) -> None:
    rows = quarantined_lines(home, limit=2, records=False)
    assert [(row["file"], row["line"]) for row in rows] == [("a.csv", 5), ("a.csv", 9)]
    assert "user-" not in lines_text(rows) + json.dumps(rows)
    rows = quarantined_lines(home, reasons=["bad_time", "x' OR 'y"], limit=9, records=True)
    assert lines_text(rows) == "a.csv, line 9: bad_time: found bad_time\n    user-9"
    (found,) = quarantined_lines(home, file=ODD, limit=9, records=False)
    assert found["reason"] == "unknown_type"


def test_a_lake_without_quarantine_says_so(tmp_path: Path) -> None:
    assert quarantine_counts(tmp_path) == []
    assert counts_text([]) == "nothing lies in quarantine"
    assert lines_text([]) == "no such line lies in quarantine"


def test_the_commands_print_text_or_json(home: Path) -> None:
    def ask(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["quarantine", *arguments, "--lake", str(home.parent)])
        assert done.exit_code == 0, done.output
        return done.output

    assert ask("list").startswith("4 lines lie in quarantine\n")
    assert sum(row["lines"] for row in json.loads(ask("list", "--json"))) == 4
    assert ask("show", "--reason", "bad_time") == "a.csv, line 9: bad_time: found bad_time\n"
    assert json.loads(ask("show", "--json", "--records", "--limit", "1"))[0]["record"] == "user-5"
