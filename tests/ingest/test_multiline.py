"""Records of CSV over several lines, from landing files to silver, quarantine and back."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.ingest import lines, raw
from recsys_batch.ingest.landing import new_files
from recsys_batch.ingest.raw import raw_lines

from .shops import Shop, shop
from .texts import PACKERS

pytestmark = pytest.mark.spark

FIELDS = {"user_id": "u", "item_id": "i", "quantity": "q", "title": "t"}
HEAD = ("ts", "u", "i", "q", "t")


def table(seed: int, rows: int = 60) -> list[tuple[str, ...]]:
    """Purchases whose titles hold whatever a title may, each row another event."""
    chance = random.Random(seed)
    parts = ("a", "é", ",", '"', "\n", "\r\n", "\n\n", " x", "1")
    return [
        (
            *("2026-01-01", f"u{n}", f"i{chance.randrange(9)}", str(n % 7 + 1)),
            "<" + "".join(chance.choices(parts, k=chance.randrange(9))) + ">",
        )
        for n in range(rows)
    ]


def written(rows: list[tuple[str, ...]], ends: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=ends).writerows([HEAD, *rows])
    return out.getvalue()


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_titles_of_several_lines_arrive_as_they_are(
    spark: SparkSession, tmp_path: Path, packed: str, ends: str, encoding: str
) -> None:
    declared = "UTF-8" if encoding == "utf-8-sig" else encoding
    made = Shop(spark, tmp_path, shop(fields=FIELDS, encoding=declared))
    rows, text = table(1), written(table(1), ends)
    counts = made.take({f"a.csv{packed}": PACKERS[packed](text.encode(encoding))})["events"]
    assert (counts.landed, counts.accepted) == (len(rows), len(rows))
    assert made.rows("events", "item_id", "quantity", "title") == sorted(
        (item, float(quantity), title) for _, _, item, quantity, title in rows
    )
    landed = made.rows("raw_events", "line", "record")
    content = text.split("\n")
    for line, record in landed:  # to the byte, from its first line on
        assert "\n".join(content[line - 1 :]).startswith(record)
    assert sum(len(record.split("\n")) for _, record in landed) == len(content) - 2


def test_a_big_file_is_read_in_pieces(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 200)  # of the survey, here; workers have their own
    monkeypatch.setattr("recsys_batch.ingest.records.PIECE", 300)
    monkeypatch.setattr(raw, "PIECE", 900)
    mapping, rows = shop(fields=FIELDS).events, table(2, 400)
    (tmp_path / "a.csv").write_text(written(rows), newline="")
    (file,) = found = new_files(tmp_path, mapping, taken={}, longest=300)
    assert len(file.pieces) > 20
    records = raw_lines(spark, found, mapping, longest=300).orderBy("line").collect()
    assert len({row["line"] for row in records}) == len(records) == file.records == len(rows)
    read = [next(csv.reader(io.StringIO(row["record"], newline=""))) for row in records]
    assert [tuple(each) for each in read] == rows


def test_what_follows_an_open_quote_is_taken_and_the_rest_can_be_replayed(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(fields=FIELDS, limits={"max_line_bytes": 60}))
    good = [f"2026-01-01,u{n},a,1,t{n}\n" for n in range(9)]
    files = {
        "open.csv": '2026-01-01,u,a,1,"never closed\n' + "".join(good[:4]),
        "long.csv": '2026-01-01,u,a,1,"\n' + "x\n" * 40 + '"\n' + "".join(good[4:6]),
        "bad.csv": '2026-01-01,v,a,none,"two\nlines"\n' + "".join(good[6:]),
    }
    head = ",".join(HEAD) + "\n"
    made.take({name: head + text for name, text in files.items()})
    assert made.standing() == {
        "bad.csv": (4, 3, 1, 0),
        "long.csv": (44, 2, 42, 0),
        "open.csv": (5, 4, 1, 0),
    }
    found = made.rows("quarantine", "file", "line", "reason", "record", "detail")
    first = {file: rest for file, line, *rest in found if line == 2}
    reason, record, detail = first["open.csv"]
    assert (reason, record) == ("malformed", '2026-01-01,u,a,1,"never closed')
    assert "a quote that is not closed within limits.max_line_bytes" in detail
    assert first["bad.csv"][:2] == ["bad_quantity", '2026-01-01,v,a,none,"two\nlines"']
    quantity = {**FIELDS, "quantity": "coalesce(try_cast(q AS INT), 1)"}
    made.dataset = shop(fields=quantity, limits={"max_line_bytes": 60})
    made.replay("bad_quantity")
    assert made.standing()["bad.csv"] == (4, 4, 0, 0)
    assert [title for (title,) in made.rows("events", "title")][-1] == "two\nlines"


def test_a_growing_file_gives_a_record_once_it_is_whole(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(fields=FIELDS, growing="append"))
    content = written(table(3, 30)).encode()
    for end in range(10, len(content) + 40, 137):
        made.take({"a.csv": content[:end]})
    assert made.standing() == {"a.csv": (30, 30, 0, 0)}
    whole = Shop(spark, tmp_path / "whole", shop(fields=FIELDS))
    whole.take({"a.csv": content})
    names = ("file", "line", "record")
    assert made.rows("raw_events", *names) == whole.rows("raw_events", *names)
    assert made.rows("events", "event_id") == whole.rows("events", "event_id")
