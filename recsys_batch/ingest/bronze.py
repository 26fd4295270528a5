"""Landing files to bronze: each record as it landed, written by the tasks that read it.

Of text, a task writes its records as Parquet itself, with Arrow: they need no trip through the
JVM, whose rows and writer would take ten times the processor time of the reading.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import FileFormat
from recsys_batch.ingest.landing import LandingFile, line_form
from recsys_batch.ingest.parquet import write_records
from recsys_batch.ingest.raw import raw_lines, records_of, shares
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession


def keep_lines(
    lake: Lake,
    table: str,
    files: Sequence[LandingFile],
    source: FileFormat,
    *,
    batch_seq: int,
    longest: int | None,
) -> None:
    """Write the records of landing files to a bronze table as the lines of a batch.

    Parameters
    ----------
    files
        At least one that has records.
    longest
        Bytes that a record may have. Of a longer one so many and one more are kept, which shows
        that it is; None keeps all.

    Raises
    ------
    LakeError
        The table cannot be written.
    """
    from pyspark.sql import functions as F

    if source.format == "parquet" or not lake.on_disk(table):  # rows of Parquet become text there
        lines = raw_lines(lake.spark, files, source, longest=longest)
        numbered = lines.withColumn(c.BATCH_SEQ, F.lit(batch_seq))
        lake.replace(table, numbered, **{c.BATCH_SEQ: batch_seq})
        return

    def write(folder: Path) -> list[str]:
        below = folder.resolve() / f"{c.BATCH_SEQ}={batch_seq}"
        below.mkdir(parents=True)
        return _written(lake.spark, files, source, below, longest=longest)

    lake.replace_written(table, write, **{c.BATCH_SEQ: batch_seq})


def _written(
    spark: SparkSession,
    files: Sequence[LandingFile],
    source: FileFormat,
    below: Path,
    *,
    longest: int | None,
) -> list[str]:
    """Let tasks write the records below a folder; return the names of the files."""
    tasks, form = shares(files), line_form(source, longest)
    kept = None if longest is None else longest + 1

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            names = []
            for task in batch.column(0).to_pylist():
                # A name of its own for each attempt, of which only the last one's is told.
                name = f"part-{task:05}-{uuid.uuid4().hex}.zstd.parquet"
                write_records(records_of(tasks[task], form, longest=kept), below / name)
                names.append(name)
            yield pa.RecordBatch.from_arrays([pa.array(names, pa.string())], ["name"])

    ids = spark.range(0, len(tasks), 1, len(tasks))
    return [row[0] for row in ids.mapInArrow(write, "name STRING").collect()]
