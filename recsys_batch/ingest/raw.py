"""Landing files to raw lines: each record as it landed, with its file and its line number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.ingest import parquet
from recsys_batch.ingest.lines import LineForm, text_stream
from recsys_batch.ingest.objects import S3Object
from recsys_batch.ingest.records import PIECE, Piece, read_records

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

    from recsys_batch.config import FileFormat
    from recsys_batch.ingest.landing import LandingFile

Part = tuple[str, Path | S3Object, Piece]  # name and place of a file, and which of its records

# Instants as JSON text keep their microseconds, and say that they are of UTC.
JSON_TIMES = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def raw_lines(
    spark: SparkSession,
    files: Sequence[LandingFile],
    source: FileFormat,
    *,
    longest: int | None = None,
) -> DataFrame:
    """Records of landing files: file, line, record.

    Tasks read the pieces that `landing.new_files` found, each from its first byte: no splits to
    number anew, and the same way for compressed text, for S3 and for the tail of a file that has
    grown. Spark reads no file itself, so a file's name may be any. A row of Parquet becomes a JSON
    object.

    Parameters
    ----------
    files
        At least one that has records.
    source
        Its format says whether line 1 is a header, and the encoding.
    longest
        Bytes that a record may have. Of a longer one so many and one more are kept, which shows
        that it is; None keeps all.
    """
    from pyspark.sql import functions as F

    from recsys_batch.ingest.landing import line_form

    if source.format == "parquet":
        groups: dict[tuple[str, ...], list[LandingFile]] = {}
        for file in files:
            groups.setdefault(file.columns, []).append(file)
        text = F.to_json("record", JSON_TIMES).alias(c.RECORD)
        frames = [
            _read(spark, same, None, f"STRUCT<{_members(names)}>", None).select(
                c.FILE, c.LINE, text
            )
            for names, same in groups.items()
        ]
        whole = frames[0]
        for each in frames[1:]:
            whole = whole.unionAll(each)
        return whole if longest is None else whole.withColumn(c.RECORD, _begin(longest + 1))
    kept = None if longest is None else longest + 1
    return _read(spark, files, line_form(source, longest), "BINARY", kept).select(
        c.FILE, c.LINE, F.col("record").cast("string").alias(c.RECORD)
    )


def _begin(size: int) -> Column:
    """So many bytes of a record."""
    from pyspark.sql import functions as F

    return F.substring(F.col(c.RECORD).cast("binary"), 1, size).cast("string")


def _members(names: Sequence[str]) -> str:
    return ", ".join(names)


def _read(
    spark: SparkSession,
    files: Sequence[LandingFile],
    form: LineForm | None,
    kind: str,
    longest: int | None,
) -> DataFrame:
    tasks = shares(files)

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for task in batch.column(0).to_pylist():
                yield from records_of(tasks[task], form, longest=longest)

    ids = spark.range(0, len(tasks), 1, len(tasks))
    return ids.mapInArrow(read, f"{c.FILE} STRING, {c.LINE} BIGINT, record {kind}")


def shares(files: Sequence[LandingFile]) -> list[list[Part]]:
    """Pieces in shares of about one task's reading; small files go together."""
    tasks: list[list[Part]] = [[]]
    size = 0
    for file in files:
        path = file.path.resolve() if isinstance(file.path, Path) else file.path
        for piece in file.pieces:
            weight = file.size // len(file.pieces) if file.columns else piece.end - piece.start
            if tasks[-1] and size + weight > PIECE:
                tasks.append([])
                size = 0
            tasks[-1].append((file.name, path, piece))
            size += weight
    return tasks


def records_of(
    parts: Sequence[Part], form: LineForm | None, *, longest: int | None
) -> Iterator[pa.RecordBatch]:
    """File, line and record (bytes, or a struct of Parquet) of one task's pieces, in batches."""
    import pyarrow as pa

    for name, path, piece in parts:
        with path.open("rb") as handle:
            found = (
                parquet.read_rows(handle, piece)
                if form is None
                else read_records(*(text_stream(handle, name), name, piece, form), longest=longest)
            )
            for numbers, records in found:
                yield pa.RecordBatch.from_arrays(
                    [pa.repeat(name, len(numbers)), numbers, records], [c.FILE, c.LINE, "record"]
                )
