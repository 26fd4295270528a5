"""Bronze holds each record as it landed, whoever writes it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.ingest import bronze, parquet
from recsys_batch.ingest.bronze import keep_lines
from recsys_batch.ingest.landing import new_files
from recsys_batch.ingest.parquet import write_records
from recsys_batch.lake.store import Lake, table_path

from .shops import shop
from .texts import PACKERS, expected, tables


@pytest.mark.spark
@pytest.mark.parametrize("packed", PACKERS)
def test_bronze_holds_every_record_with_its_place(
    spark: SparkSession, tmp_path: Path, packed: str
) -> None:
    landing, lake = tmp_path / "landing", Lake(spark, tmp_path / "a lake, ä {#}")
    plain = {f"{name}{packed}": content for name, content in tables("\n", seed=3).items()}
    for name, content in plain.items():
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(PACKERS[packed](content))
    mapping = shop(pattern="**/*").events
    files = new_files(landing, mapping, taken={})
    for batch in (1, 2, 2):  # taken again, it stands in its own place
        keep_lines(lake, "raw_events", files, mapping, batch_seq=batch, longest=None)
    rows = lake.read("raw_events").collect()
    for batch in (1, 2):
        mine = [row for row in rows if row["batch_seq"] == batch]
        assert {(row["file"], row["line"]): row["record"] for row in mine} == expected(plain)
        assert len(mine) == sum(file.records for file in files)


@pytest.mark.spark
def test_bytes_that_are_no_text_and_lines_that_are_too_long(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "a").write_bytes(b"ts\nok\n\xff\xc3\x81\n" + b"x" * 100 + b"\n")
    mapping, lake = shop().events, Lake(spark, tmp_path / "lake")
    files = new_files(tmp_path / "landing", mapping, taken={})
    keep_lines(lake, "raw_events", files, mapping, batch_seq=1, longest=10)
    rows = lake.read("raw_events").select("line", F.hex("record")).collect()
    assert {line: bytes.fromhex(record) for line, record in rows} == {
        2: b"ok",
        3: b"\xff\xc3\x81",
        4: b"x" * 11,
    }


@pytest.mark.spark
def test_what_another_attempt_left_is_not_taken(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "a").write_bytes(b"ts\none\n")
    mapping, lake = shop().events, Lake(spark, tmp_path / "lake")
    files = new_files(tmp_path / "landing", mapping, taken={})
    real = bronze._written

    def twice(*given: object, **named: object) -> list[str]:
        below = given[3]
        assert isinstance(below, Path)
        (below / "part-00000-torn.parquet").write_bytes(b"PAR1")
        assert real(*given, **named)  # type: ignore[arg-type]  # of the first attempt
        return real(*given, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bronze, "_written", twice)
        keep_lines(lake, "raw_events", files, mapping, batch_seq=1, longest=None)
    assert [row["record"] for row in lake.read("raw_events").collect()] == ["one"]
    left = list(table_path(lake.home, "raw_events").rglob("*.parquet"))
    assert len(left) == 1


def test_row_groups_end_with_the_bytes_of_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_GROUP", 100)
    batches = [
        pa.RecordBatch.from_arrays(
            [pa.array(["a"] * 2), pa.array([n, n + 1], pa.int64()), pa.array([b"x" * 30] * 2)],
            ["file", "line", "record"],
        )
        for n in range(1, 11, 2)
    ]
    write_records(iter(batches), tmp_path / "a.parquet")
    made = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [made.metadata.row_group(n).num_rows for n in range(made.num_row_groups)]
    assert groups == [4, 4, 2]
    assert made.read()["line"].to_pylist() == list(range(1, 11))
    assert made.schema_arrow.types == [pa.string(), pa.int64(), pa.string()]
