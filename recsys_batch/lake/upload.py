"""Parquet files of a frame in S3, written by Spark's tasks where they are to stay.

An object store has no rename, so that files cannot be moved into place when all are there. None
need be: a task puts each file with one request, under a name that nobody else has, and what it put
comes back as the task's result. Spark takes one result of a task, whatever was lost, repeated or
run twice to be faster, and those files alone are committed; `vacuum` removes the others.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from recsys_batch.errors import LakeError
from recsys_batch.lake.footers import statistics
from recsys_batch.lake.s3 import S3Place, client, told

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake.transaction import AddAction
    from pyspark.sql import DataFrame

    from recsys_batch.lake.tables import Table

_GROUP = 64 << 20  # bytes of rows in memory, before they are written as a row group
_FILE = 128 << 20  # bytes after which a file ends
_ABSENT = "__HIVE_DEFAULT_PARTITION__"
_NO_NAME = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{\[\]^]")  # what Spark, too, escapes in folders
_PUT = "path STRING, size BIGINT, modified BIGINT, folders STRING, statistics STRING"
_Values = tuple[str | None, ...]


class _Written:
    """Bytes that this process's writes have put so far, which Spark's own counts do not know."""

    def __init__(self) -> None:
        self._bytes, self._lock = 0, threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self._bytes += size

    @property
    def bytes(self) -> int:
        return self._bytes


UPLOADED = _Written()


def upload_frame(frame: DataFrame, place: S3Place, table: Table) -> list[AddAction]:
    """Write a frame's rows as files of a table, by partition, and say what is to be committed.

    Parameters
    ----------
    frame
        With the table's columns and types.
    place
        Where the table lies.

    Raises
    ------
    PythonException
        S3 refuses or does not answer, as Spark says it; nothing is committed.
    """
    from deltalake.transaction import AddAction

    if table.partition_by:
        frame = frame.sortWithinPartitions(*table.partition_by)
    put_all = partial(_put_all, place=place, folders=table.partition_by, names=table.skip_by)
    put = frame.mapInArrow(put_all, _PUT).collect()
    UPLOADED.add(sum(row["size"] for row in put))
    return [
        AddAction(
            path=row["path"],
            size=row["size"],
            partition_values=json.loads(row["folders"]),
            modification_time=row["modified"],
            data_change=True,
            stats=row["statistics"],
        )
        for row in sorted(put, key=lambda row: str(row["path"]))
    ]


def _put_all(
    batches: Iterator[pa.RecordBatch],
    *,
    place: S3Place,
    folders: tuple[str, ...],
    names: tuple[str, ...],
) -> Iterator[pa.RecordBatch]:
    """Put the rows of a task, which are in order of the partitions, and tell of each file."""
    import pyarrow as pa

    file, found = None, []
    for batch in batches:
        for values, rows in _by_partition(batch, folders):
            if file is not None and (file.values != values or file.full):
                found.append(file.put(place, folders, names))
                file = None
            if file is None:
                file = _File(values)
            file.add(rows)
    if file is not None:
        found.append(file.put(place, folders, names))
    if found:
        yield pa.RecordBatch.from_pylist(found)


def _by_partition(
    batch: pa.RecordBatch, names: tuple[str, ...]
) -> Iterator[tuple[_Values, pa.RecordBatch]]:
    """Stretches of rows of one partition, without the partition's columns."""
    import numpy as np

    if not batch.num_rows:
        return
    changes = np.zeros(batch.num_rows - 1, dtype=bool)
    for name in names:
        codes = batch.column(name).dictionary_encode("encode").indices.to_numpy()
        changes |= codes[1:] != codes[:-1]
    ends = [*(np.flatnonzero(changes) + 1).tolist(), batch.num_rows]
    kept = batch.drop_columns(list(names))
    start = 0
    for end in ends:
        found = (batch.column(name)[start].as_py() for name in names)
        values = tuple(None if value in {None, ""} else str(value) for value in found)
        yield values, kept.slice(start, end - start)
        start = end


class _File:
    """A Parquet file in the making, on the task's own disk."""

    def __init__(self, values: _Values) -> None:
        self.values = values
        self._data: IO[bytes] = tempfile.TemporaryFile(prefix="recsys-upload-")  # noqa: SIM115
        self._writer: Any = None
        self._held: list[pa.RecordBatch] = []

    @property
    def full(self) -> bool:
        """Whether it has grown enough."""
        return self._data.tell() >= _FILE

    def add(self, rows: pa.RecordBatch) -> None:
        """Take further rows."""
        self._held.append(rows)
        if sum(each.nbytes for each in self._held) >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pa.Table.from_batches(self._held)
        self._held = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._data, rows.schema)
        self._writer.write_table(rows)

    def put(
        self, place: S3Place, folders: tuple[str, ...], names: tuple[str, ...]
    ) -> dict[str, Any]:
        """End it, put it under a name of its own, and say what a commit must know of it.

        Parameters
        ----------
        folders
            Columns of the partition.
        names
            Columns whose range is told.

        Raises
        ------
        LakeError
            S3 refuses or does not answer.
        """
        if self._held:
            self._flush()
        self._writer.close()
        size = self._data.tell()
        values = dict(zip(folders, self.values, strict=True))
        named = [f"{name}={_folder(value)}" for name, value in values.items()]
        path = "/".join((*named, f"part-{uuid.uuid4().hex}.parquet"))
        facts = statistics(self._data, names)
        self._data.seek(0)
        target = place / path
        with self._data, told(place, LakeError):
            answer = client().put_object(Bucket=place.bucket, Key=target.prefix, Body=self._data)
        return {
            "path": path,
            "size": size,
            "modified": _milliseconds(answer),
            "folders": json.dumps(values),
            "statistics": json.dumps(facts),
        }


def _milliseconds(answer: dict[str, Any]) -> int:
    """When the store took an object, by its own clock, in milliseconds since 1970."""
    from email.utils import parsedate_to_datetime

    date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    return int(parsedate_to_datetime(date).timestamp() * 1000)


def _folder(value: str | None) -> str:
    """A partition's value in the name of a folder, as Spark writes it."""
    if value is None:
        return _ABSENT
    return _NO_NAME.sub(lambda found: f"%{ord(found[0]):02X}", value)
