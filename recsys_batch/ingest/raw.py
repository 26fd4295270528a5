"""Landing files to raw lines: each record as it landed, with its file and its line number."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import FileFormat
from recsys_batch.errors import LandingError
from recsys_batch.ingest.landing import LandingFile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_GLOB = re.compile(r"([\[\]{}*?\\,])")


def raw_lines(
    spark: SparkSession, files: Sequence[LandingFile], source: FileFormat
) -> tuple[DataFrame, dict[str, int]]:
    """Records of text files, and how many each file has.

    Headers and blank lines are no records. Spark gives no line numbers, so a first pass counts the
    lines of each block and the second adds the offset of its block; both read the same splits,
    which is why the session fixes their size whatever executors there are. The numbers of records
    come from the first pass, so that what the second loses shows.

    Parameters
    ----------
    files
        At least one file that is not empty.
    source
        Its format says whether line 1 is a header, and the encoding.

    Returns
    -------
    tuple
        A frame of file, line, record; and file to its number of records.

    Raises
    ------
    LandingError
        Spark sees no line of a file.
    """
    from pyspark.sql import functions as F

    # Spark drops `..` from paths without following links: give it paths that have neither.
    places = {str(file.path.resolve()): file.name for file in files}
    text = spark.read.text([_GLOB.sub(r"\\\1", place) for place in places]).select(
        F.col("_metadata.file_path").alias("uri"),
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("row"),
        F.col("value"),
    )
    filled = F.trim("value") != ""
    blocks = (
        text.groupBy("uri", "block")
        .agg(
            F.min("row").alias("first"),
            F.count(F.lit(1)).alias("rows"),
            F.count_if(filled).alias("filled"),
        )
        .collect()
    )
    has_header = source.format == "csv" and source.header
    offsets: list[tuple[str, int, int, str]] = []
    lines = dict.fromkeys(places.values(), 0)
    records = dict.fromkeys(places.values(), -1 if has_header else 0)
    for block in sorted(blocks, key=lambda each: (each["uri"], each["block"])):
        name = places[_local_path(block["uri"])]
        offsets.append((block["uri"], block["block"], lines[name] + 1 - block["first"], name))
        lines[name] += block["rows"]
        records[name] += block["filled"]
    _require_lines(files, lines)
    placed = spark.createDataFrame(offsets, "uri STRING, block BIGINT, shift BIGINT, file STRING")
    numbered = text.join(F.broadcast(placed), ["uri", "block"], how="inner").select(
        F.col("file").alias(c.FILE), (F.col("row") + F.col("shift")).alias(c.LINE), "value"
    )
    record = _decoded(F.col("value"), source.encoding)
    record = F.when(F.col(c.LINE) == 1, F.ltrim(record, F.lit("\ufeff"))).otherwise(record)
    is_header = F.lit(has_header) & (F.col(c.LINE) == 1)
    wanted = numbered.where(~is_header & filled)
    return wanted.select(c.FILE, c.LINE, record.alias(c.RECORD)), records


def _require_lines(files: Sequence[LandingFile], lines: dict[str, int]) -> None:
    for file in files:
        if not lines[file.name]:
            raise LandingError(
                f"Spark reads nothing of its {file.size} bytes",
                where=str(file.path),
                fix="rename it; names that start with a dot or an underscore are hidden from Spark",
            )


def _decoded(value: Column, encoding: str) -> Column:
    """Text of lines; bytes that the encoding does not know stay invalid UTF-8."""
    from pyspark.sql import functions as F

    name = codecs.lookup(encoding).name
    if name in {"utf-8", "utf-8-sig", "ascii"}:
        return value
    if name == "iso8859-1":
        return F.decode(value.cast("binary"), "ISO-8859-1")
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # not in its stubs

    def transcoded(lines: pa.BinaryArray) -> pa.BinaryArray:
        texts = (line.decode(name, "surrogateescape") for line in lines.to_pylist())
        return pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())

    transcoded.__annotations__ = {"lines": pa.Array, "return": pa.Array}
    text: Column = arrow_udf(transcoded, "binary")(value.cast("binary")).cast("string")
    return text


def _local_path(uri: str) -> str:
    from urllib.parse import unquote, urlparse

    return unquote(urlparse(uri).path)
