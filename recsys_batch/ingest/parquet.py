"""Rows of Parquet files: their columns as Spark knows them, counted, then read in row groups.

And records of text, written as Parquet. Light to import, since Spark's Python workers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_batch import columns as c
from recsys_batch.ingest.records import PIECE, Piece

_ROWS = 20_000  # rows of a batch
_GROUP = 1 << 26  # bytes of the records of a row group that is written
_PLAIN = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "STRING",
    pa.binary(): "BINARY",
    pa.date32(): "DATE",
}
# Types that Spark has not, and the narrowest that holds all their values.
_WIDER = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.null(): pa.string(),
    pa.date64(): pa.date32(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def columns(schema: pa.Schema) -> tuple[str, ...]:
    """Each column as Spark SQL declares it, such as ```item id` BIGINT``.

    Raises
    ------
    TypeError
        Spark has no such type.
    """
    return tuple(f"{_quoted(field.name)} {_as_spark(field.type)[1]}" for field in schema)


def ready(schema: pa.Schema) -> pa.Schema:
    """The schema with the Arrow types that Spark takes; instants in microseconds of UTC."""
    return pa.schema([(field.name, _as_spark(field.type)[0]) for field in schema])


def _as_spark(kind: pa.DataType) -> tuple[pa.DataType, str]:
    """The Arrow type that Spark takes, and its name in SQL."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kind = _WIDER.get(kind, kind)
    if kind in _PLAIN:
        return kind, _PLAIN[kind]
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary(), "BINARY"
    if pa.types.is_time(kind):
        return pa.string(), "STRING"
    if pa.types.is_timestamp(kind):
        zone = kind.tz and "UTC"
        return pa.timestamp("us", zone), "TIMESTAMP" if zone else "TIMESTAMP_NTZ"
    if pa.types.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale), f"DECIMAL({kind.precision},{kind.scale})"
    return _nested(kind)


def _nested(kind: pa.DataType) -> tuple[pa.DataType, str]:
    if pa.types.is_struct(kind):
        fields = [(field.name, *_as_spark(field.type)) for field in kind]
        text = ", ".join(f"{_quoted(name)}: {sql}" for name, _, sql in fields)
        return pa.struct([(name, arrow) for name, arrow, _ in fields]), f"STRUCT<{text}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        arrow, sql = _as_spark(kind.value_type)
        return pa.list_(arrow), f"ARRAY<{sql}>"
    if pa.types.is_map(kind) and _as_spark(kind.key_type)[1] == "STRING":
        arrow, sql = _as_spark(kind.item_type)
        return pa.map_(pa.string(), arrow), f"MAP<STRING, {sql}>"
    raise TypeError(f"values of type {kind}, which Spark does not have")


def survey(handle: IO[bytes]) -> tuple[pa.Schema, tuple[Piece, ...]]:
    """Read a file to its end; return its schema, and its row groups in pieces.

    Raises
    ------
    pyarrow.ArrowException, OSError
        It is no Parquet, or damaged, or holds text that is not UTF-8.
    """
    file = pq.ParquetFile(pa.PythonFile(handle, "r"))
    pieces: list[Piece] = []
    begun, line, records, size = 0, 1, 0, 0
    for group in range(file.metadata.num_row_groups):
        for batch in file.iter_batches(_ROWS, row_groups=[group], use_threads=False):
            batch.validate(full=True)
            records += batch.num_rows
        size += file.metadata.row_group(group).total_byte_size
        if size >= PIECE or group == file.metadata.num_row_groups - 1:
            pieces.append(Piece(begun, group + 1, line, records))
            begun, line, records, size = group + 1, line + records, 0, 0
    return file.schema_arrow, tuple(pieces)


def read_rows(handle: IO[bytes], piece: Piece) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Row numbers (int64) and rows (struct) of a piece, a batch at a time."""
    file = pq.ParquetFile(pa.PythonFile(handle, "r"))
    kind, line = ready(file.schema_arrow), piece.line
    groups = list(range(piece.start, piece.end))
    for batch in file.iter_batches(_ROWS, row_groups=groups, use_threads=False):
        arrays = [_cast(array, to) for array, to in zip(batch.columns, kind.types, strict=True)]
        numbers = pa.array(range(line, line + batch.num_rows), pa.int64())
        yield numbers, pa.StructArray.from_arrays(arrays, fields=list(kind))
        line += batch.num_rows


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast as `ready` says; of instants, what is finer than a microsecond is cut off."""
    return array if array.type == kind else array.cast(kind, safe=False)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def write_records(batches: Iterator[pa.RecordBatch], path: Path) -> None:
    """Write file, line and record (bytes, written as text) of batches to a file of Parquet."""
    schema = pa.schema([(c.FILE, pa.string()), (c.LINE, pa.int64()), (c.RECORD, pa.string())])
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=[c.FILE], write_statistics=False
    ) as out:
        held: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            files, lines, records = batch.columns
            text = pa.Array.from_buffers(pa.string(), len(records), records.buffers())
            held.append(pa.RecordBatch.from_arrays([files, lines, text], schema=schema))
            size += records.nbytes
            if size >= _GROUP:
                out.write_table(pa.Table.from_batches(held))
                held, size = [], 0
        if held:
            out.write_table(pa.Table.from_batches(held))
