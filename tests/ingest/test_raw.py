"""Every record has the file and line that an editor would show, however Spark splits the files."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import EventMapping
from recsys_batch.errors import LandingError
from recsys_batch.ingest.landing import LandingFile
from recsys_batch.ingest.raw import raw_lines

from .shops import shop

pytestmark = pytest.mark.spark

NAMES = ("a b.csv", "50%.csv", "x%20y.csv", "[1]{2}*?.csv", "zä,ö#;&+.csv", "deep/er/a.csv")


def landed(folder: Path, files: dict[str, bytes]) -> list[LandingFile]:
    found = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found.append(LandingFile(name, path, hashlib.sha256(content).hexdigest(), len(content)))
    return found


def read(
    spark: SparkSession, folder: Path, files: dict[str, bytes], mapping: EventMapping
) -> tuple[dict[tuple[str, int], str], dict[str, int]]:
    frame, records = raw_lines(spark, landed(folder, files), mapping)
    rows = frame.collect()
    found = {(row["file"], row["line"]): row["record"] for row in rows}
    assert len(found) == len(rows)
    return found, records


def expected(files: dict[str, bytes]) -> dict[tuple[str, int], str]:
    """By Python: all lines but headers and blank ones, numbered from 1."""
    return {
        (name, number): line
        for name, content in files.items()
        for number, line in enumerate(content.decode("utf-8-sig").splitlines(), start=1)
        if number > 1 and line.strip(" ")
    }


def tables(ends: str, *, seed: int) -> dict[str, bytes]:
    """Files of lines of very different lengths, some blank, with and without BOM and last end."""
    chance = random.Random(seed)
    files = {}
    for place, name in enumerate(NAMES):
        lines = ["ts,u,i,q"]
        for number in range(chance.randrange(1, 40)):
            filler = "é" * chance.choice([0, 1, 7, 40, 300])
            lines.append(
                chance.choice(["", "  "]) if number % 9 == 4 else f"{place},{number},{filler}"
            )
        text = ends.join(lines) + chance.choice(["", ends, ends * 3])
        files[name] = chance.choice([b"", b"\xef\xbb\xbf"]) + text.encode()
    return files


@pytest.mark.parametrize(
    ("ends", "split"), [("\n", 1 << 27), ("\n", 61), ("\r\n", 37), ("\r\n", 997)]
)
def test_lines_are_numbered_exactly_over_files_and_splits(
    spark: SparkSession, tmp_path: Path, ends: str, split: int
) -> None:
    settings = {
        "spark.sql.files.maxPartitionBytes": str(split),
        "spark.sql.files.openCostInBytes": "1",
    }
    before = {name: spark.conf.get(name) for name in settings}
    files = tables(ends, seed=split)
    try:
        for name, value in settings.items():
            spark.conf.set(name, value)
        found, records = read(spark, tmp_path, files, shop().events)
    finally:
        for name, old in before.items():
            spark.conf.set(name, str(old))
    wanted = expected(files)
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
    files = landed(tmp_path, {"a": b"ts\nfine\xfc\nbroken\xc3\x81\n"})
    frame, _ = raw_lines(spark, files, shop(encoding="cp1252").events)
    valid = frame.selectExpr("line", "is_valid_utf8(record) AS valid").collect()
    assert {row["line"]: row["valid"] for row in valid} == {2: True, 3: False}


def test_a_file_that_spark_ignores_is_an_error_and_not_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Spark passes over names with an underscore in front; its rows must not vanish."""
    files = landed(tmp_path, {"a.csv": b"ts\n1\n", "_b.csv": b"ts\n2\n"})
    with pytest.raises(LandingError, match=r"_b.csv: Spark reads nothing of its 5 bytes"):
        raw_lines(spark, files, shop().events)
