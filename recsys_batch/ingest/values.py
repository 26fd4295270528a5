"""Text to values: numbers, labels and instants, null where the text is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recsys_batch.errors import MappingError

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

_DECIMAL = r"^[+-]?(\d+[.]?\d*|[.]\d+)([eE][+-]?\d+)?$"
_ISO_DAY = r"^\d{4}-\d{1,2}-\d{1,2}"
_ISO_LOCAL = _ISO_DAY + r"([T ](\d{1,2}(:\d{1,2}(:\d{1,2}([.]\d*)?)?)?)?)?$"


def number(text: Column) -> Column:
    """Read a decimal number; Java's other spellings (``1d``, ``0x1p3``, ``Infinity``) are none."""
    from pyspark.sql import functions as F

    return F.when(text.rlike(_DECIMAL), text.try_cast("double"))


def labels(text: Column) -> Column:
    """Read a list of labels: a JSON array, or text parted by commas, semicolons or bars.

    Each label once, trimmed, in ascending order, so that equal sets are equal; null where there is
    none.
    """
    from pyspark.sql import functions as F

    bare = F.regexp_replace(text, r"^\s*\[|\]\s*$", "")
    parts = F.coalesce(F.from_json(text, "ARRAY<STRING>"), F.split(bare, "[,;|]"))
    named = F.filter(F.transform(parts, lambda label: F.trim(label)), lambda label: label != "")
    return F.when(F.size(named) > 0, F.array_sort(F.array_distinct(named)))


def instant(text: Column, time_format: str, zone: str) -> Column:
    """Parse an instant; null where the text is none.

    Parameters
    ----------
    time_format
        ``iso`` (a day at least), ``epoch_seconds``, ``epoch_millis``, or a datetime pattern.
    zone
        Where a text without an offset is local time. An hour that a change to summer time leaves
        out is read as the hour after, one that comes twice as its first.
    """
    from pyspark.sql import functions as F

    if time_format in {"epoch_seconds", "epoch_millis"}:
        scale = 1_000_000 if time_format == "epoch_seconds" else 1_000
        micros = (text.try_cast("decimal(30,6)") * scale).try_cast("bigint")
        return F.timestamp_micros(micros)
    if time_format == "iso":
        # Spark also reads `now` and `12:30`, which mean another instant at each run.
        local = F.when(text.rlike(_ISO_DAY), F.try_to_timestamp(text))
        has_offset = ~text.rlike(_ISO_LOCAL)
    else:
        local = F.try_to_timestamp(text, F.lit(time_format))
        has_offset = F.lit(any(letter in _letters(time_format) for letter in "xXVOzZ"))
    if zone == "UTC":  # as the session's
        return local
    return F.when(has_offset, local).otherwise(F.to_utc_timestamp(local, zone))


def _letters(pattern: str) -> str:
    return re.sub(r"'[^']*'", "", pattern)


def require_time_format(spark: SparkSession, time_format: str, *, where: str) -> None:
    """Raise `MappingError` where Spark does not take a datetime pattern."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    if time_format in {"iso", "epoch_seconds", "epoch_millis"}:
        return
    read = F.try_to_timestamp(F.lit("2026-01-01"), F.lit(time_format))
    try:
        spark.range(1).select(read).collect()
    except PySparkException as error:
        raise MappingError(
            f"time_format {time_format!r} is no datetime pattern of Spark",
            where=where,
            fix="write it with the letters of Java's DateTimeFormatter, such as "
            "'yyyy-MM-dd HH:mm:ss'",
        ) from error
