"""Files that grow: their new lines are taken once, and what was taken must not have changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import EventMapping
from recsys_batch.errors import LandingError
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.landing import LandingFile, Taken, new_files
from recsys_batch.lake.ledger import read_rows, replace_rows

from .shops import Shop, shop
from .texts import PACKERS

HEAD = b"ts,u,i,q\n"
GROWS = shop(growing="append")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def took(content: bytes) -> dict[str, Taken]:
    return {"a.csv": Taken(sha(content), len(content))}


def look(
    folder: Path, content: bytes, taken: dict[str, Taken], mapping: EventMapping = GROWS.events
) -> tuple[LandingFile, ...]:
    (folder / "a.csv").write_bytes(content)
    return new_files(folder, mapping, taken=taken)


def test_only_whole_new_lines_are_found(tmp_path: Path) -> None:
    first, second = HEAD + b"1\n\n2\n", b"3\r\n4\n"
    assert look(tmp_path, b"ts,u", {}) == ()
    assert look(tmp_path, b"", {}) == ()
    (file,) = look(tmp_path, first + b"unfin", {})
    assert (file.digest, file.size, file.records) == (sha(first), len(first), 2)
    assert look(tmp_path, first + b"unfin", took(first)) == ()
    (file,) = look(tmp_path, first + second + b"ished", took(first))
    assert (file.digest, file.size, file.records) == (sha(first + second), len(first + second), 2)
    assert [(piece.start, piece.line) for piece in file.pieces] == [(len(first), 5)]
    (file,) = look(tmp_path, HEAD + b"1\n", took(HEAD))
    assert (file.records, file.pieces[0].line) == (1, 2)


def test_a_record_of_several_lines_waits_for_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, begun = HEAD + b"1\n", b'2,"a\nb\n'
    (file,) = look(tmp_path, whole + begun, {})
    assert (file.digest, file.size, file.records) == (sha(whole), len(whole), 1)
    assert look(tmp_path, whole + begun, took(whole)) == ()
    told = f"{tmp_path / 'a.csv'}: {len(begun)} bytes wait for the end of a field in quotes"
    assert caplog.messages == [told] * 2
    ended = whole + begun + b'c",d\n'
    (file,) = look(tmp_path, ended + b'3,"', took(whole))
    assert (file.digest, file.size, file.records) == (sha(ended), len(ended), 1)
    assert [(piece.start, piece.line) for piece in file.pieces] == [(len(whole), 3)]
    (file,) = look(tmp_path, ended + b"3\n", took(ended))
    assert (file.records, file.pieces[0].line) == (1, 6)


def test_an_open_quote_does_not_wait_beyond_its_limit(tmp_path: Path) -> None:
    content = HEAD + b'1,"a\n' + b"2,b\n" * 10
    (tmp_path / "a.csv").write_bytes(content)
    (file,) = new_files(tmp_path, GROWS.events, taken={}, longest=20)
    assert (file.size, file.records) == (len(content), 11)


@pytest.mark.parametrize("content", [b"", HEAD, HEAD + b"2\n", HEAD + b"2\n3\n", HEAD + b"1"])
def test_what_was_taken_must_not_change(tmp_path: Path, content: bytes) -> None:
    taken = HEAD + b"1\n"
    with pytest.raises(LandingError) as caught:
        look(tmp_path, content, took(taken))
    assert f"was taken with digest {sha(taken)[:16]} and now has {sha(content)[:16]}" in str(
        caught.value
    )


def test_a_line_that_was_taken_before_its_end_cannot_grow(tmp_path: Path) -> None:
    """As where the source refused growth when the file was first taken."""
    assert look(tmp_path, HEAD + b"1", took(HEAD + b"1")) == ()
    with pytest.raises(LandingError, match="line 2 was taken before it ended"):
        look(tmp_path, HEAD + b"123\n", took(HEAD + b"1"))


def test_sources_refuse_growth_unless_told(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=sha(HEAD)[:16]):
        look(tmp_path, HEAD + b"1\n", took(HEAD), shop().events)
    with pytest.raises(ValueError, match="Parquet files cannot grow"):
        shop(format="parquet", growing="append")


def test_compressed_files_do_not_grow(tmp_path: Path) -> None:
    once, twice = (PACKERS[".gz"](HEAD * times) for times in (1, 2))
    (tmp_path / "a.csv.gz").write_bytes(twice)
    with pytest.raises(LandingError, match=sha(once)[:16]):
        new_files(tmp_path, GROWS.events, taken={"a.csv.gz": Taken(sha(once), len(once))})


def lines(first: int, last: int) -> bytes:
    return b"".join(b"2026-01-%02d,u,i,%d\n" % (n, n) for n in range(first, last))


@pytest.mark.spark
def test_a_growing_file_ends_as_if_it_had_landed_whole(spark: SparkSession, tmp_path: Path) -> None:
    """Though a batch of its new lines is killed and taken again, and a line is late to end."""
    grown, whole = Shop(spark, tmp_path / "grown", GROWS), Shop(spark, tmp_path / "whole", GROWS)
    more = HEAD + lines(1, 4) + b"broken\n" + lines(4, 5)
    everything = more + lines(4, 9)
    assert grown.take({"a.csv": more + lines(4, 5)[:6]})["events"] == Conservation(1, 5, 4, 1, 0)
    assert grown.take()["events"] == Conservation()
    grown.land({"a.csv": everything})
    assert grown.take()["events"] == Conservation(1, 5, 4, 0, 1)
    started = [
        {**row, "status": "started", "landed": 0, "accepted": 0, "duplicate": 0}
        for row in read_rows(grown.lake.home, "batches", batch_seq=2)
    ]
    replace_rows(grown.lake.home, "batches", started, batch_seq=2)
    assert grown.take()["events"] == Conservation(1, 5, 4, 0, 1)
    assert grown.take()["events"] == Conservation()
    assert whole.take({"a.csv": everything})["events"] == Conservation(1, 10, 8, 1, 1)
    for table in ("events", "quarantine", "raw_events"):
        rows = [each.lake.read(table).drop("batch_seq").collect() for each in (grown, whole)]
        assert sorted(map(str, rows[0])) == sorted(map(str, rows[1])), table
    sizes = [row["bytes"] for row in read_rows(grown.lake.home, "batches")]
    assert sorted(sizes) == [len(more), len(everything)]
    changed = everything.replace(b"2026-01-02", b"2026-01-03")
    with pytest.raises(LandingError, match=sha(everything)[:16]):
        grown.take({"a.csv": changed + lines(9, 10)})
