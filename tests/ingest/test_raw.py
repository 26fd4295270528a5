"""Every record has the file and line that an editor would show, however the files are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import EventMapping
from recsys_batch.ingest import lines, raw
from recsys_batch.ingest.landing import new_files
from recsys_batch.ingest.raw import raw_lines

from .shops import shop
from .texts import PACKERS, expected, tables

pytestmark = pytest.mark.spark


def read(
    spark: SparkSession, folder: Path, files: dict[str, bytes], mapping: EventMapping
) -> tuple[dict[tuple[str, int], str], dict[str, int]]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    found = new_files(folder, mapping, taken={})
    rows = raw_lines(spark, found, mapping).collect()
    records = {(row["file"], row["line"]): row["record"] for row in rows}
    assert len(records) == len(rows)
    return records, {file.name: file.records for file in found}


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lines_are_numbered_exactly_over_files(
    spark: SparkSession, tmp_path: Path, ends: str, packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 400)  # of the survey, here; workers have their own
    monkeypatch.setattr("recsys_batch.ingest.records.PIECE", 900)
    monkeypatch.setattr(raw, "PIECE", 2000)
    plain = {f"{name}{packed}": content for name, content in tables(ends, seed=7).items()}
    files = {name: PACKERS[packed](content) for name, content in plain.items()}
    found, records = read(spark, tmp_path, files, shop(pattern="**/*").events)
    wanted = expected(plain)
    assert found == wanted
    assert records == {name: sum(file == name for file, _ in wanted) for name in files}


def test_files_without_a_header_begin_with_line_one(spark: SparkSession, tmp_path: Path) -> None:
    mapping = shop(header=False, columns=["ts", "u"]).events
    found, records = read(spark, tmp_path, {"a": b"\xef\xbb\xbf1,x\n\n2,y"}, mapping)
    assert found == {("a", 1): "1,x", ("a", 3): "2,y"}
    assert records == {"a": 2}


@pytest.mark.parametrize("encoding", ["latin-1", "ISO-8859-1", "cp1252", "cp437", "shift_jis"])
def test_other_encodings_become_text(spark: SparkSession, tmp_path: Path, encoding: str) -> None:
    text = "日本語ソ" if encoding == "shift_jis" else "Müll, ñ"
    content = f"ts\n{text}\n".encode(encoding)
    found, _ = read(spark, tmp_path, {"a": content}, shop(encoding=encoding).events)
    assert found == {("a", 2): text}


def test_bytes_that_an_encoding_lacks_stay_invalid(spark: SparkSession, tmp_path: Path) -> None:
    """0x81 is no character of cp1252; in UTF-8, 0xC3 0x81 would be one."""
    mapping = shop(encoding="cp1252").events
    (tmp_path / "a").write_bytes(b"ts\nfine\xfc\nbroken\xc3\x81\n")
    frame = raw_lines(spark, new_files(tmp_path, mapping, taken={}), mapping)
    valid = frame.selectExpr("line", "is_valid_utf8(record) AS valid").collect()
    assert {row["line"]: row["valid"] for row in valid} == {2: True, 3: False}
