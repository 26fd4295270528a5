"""A stream of batches becomes one version of a table, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from recsys_batch.errors import LakeError
from recsys_batch.lake.arrow import write_batches

SCHEMA = pa.schema([("user_key", pa.string()), ("n", pa.int32())])


def stream(*numbers: int, fails: bool = False) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        for number in numbers:
            yield pa.RecordBatch.from_pydict({"user_key": [f"u{number}"], "n": [number]}, SCHEMA)
        if fails:
            raise ValueError("no more users")

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def held(folder: Path) -> list[int]:
    return sorted(row["n"] for row in DeltaTable(str(folder)).to_pyarrow_table().to_pylist())


def test_a_second_stream_replaces_the_first(tmp_path: Path) -> None:
    write_batches(tmp_path / "lists", stream(1, 2, 3))
    assert held(tmp_path / "lists") == [1, 2, 3]
    write_batches(tmp_path / "lists", stream(4))
    assert held(tmp_path / "lists") == [4]
    assert DeltaTable(str(tmp_path / "lists")).version() == 2  # empty, then a commit a stream


def test_a_stream_that_breaks_off_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    write_batches(tmp_path / "lists", stream(1, 2))
    with pytest.raises(LakeError, match="no more users"):
        write_batches(tmp_path / "lists", stream(3, fails=True))
    assert held(tmp_path / "lists") == [1, 2]


def test_a_first_stream_that_breaks_off_can_be_written_again(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no more users"):
        write_batches(tmp_path / "lists", stream(1, fails=True))
    assert held(tmp_path / "lists") == []
    write_batches(tmp_path / "lists", stream(1))
    assert held(tmp_path / "lists") == [1]


def test_no_key_stands_in_the_log(tmp_path: Path) -> None:
    write_batches(tmp_path / "lists", stream(1, 2))
    log = sorted((tmp_path / "lists" / "_delta_log").glob("*.json"))[-1].read_text()
    added = [json.loads(line)["add"] for line in log.splitlines() if "add" in json.loads(line)]
    assert sum(json.loads(each["stats"])["numRecords"] for each in added) == 2
    assert "u1" not in log


def test_data_without_a_log_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "part.parquet").write_bytes(b"PAR1")
    with pytest.raises(LakeError, match="without a Delta log"):
        write_batches(tmp_path / "lists", stream(1))
