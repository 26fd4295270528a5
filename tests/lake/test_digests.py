"""Equal rows have equal digests in any order; any other rows do not."""

from __future__ import annotations

import hashlib

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.lake.digests import code_version, digest_of, frame_digest

pytestmark = pytest.mark.spark
SCHEMA = "a STRING, b STRING, n DOUBLE, l ARRAY<STRUCT<x: STRING, y: FLOAT>>"
ROWS = [("1", None, 0.5, [("p", 1.0)]), ("2", "z", None, None), ("2", "z", None, None)]


def test_order_and_partitions_do_not_count(spark: SparkSession) -> None:
    frame = spark.createDataFrame(ROWS, SCHEMA)
    digest = frame_digest(frame)
    assert digest[1] == 3
    assert frame_digest(frame.orderBy(F.col("a").desc()).repartition(3)) == digest
    assert frame_digest(frame.select("n", "l", "b", "a")) == digest
    assert frame_digest(spark.createDataFrame(list(reversed(ROWS)), SCHEMA)) == digest
    assert frame_digest(spark.createDataFrame([], SCHEMA)) == digest_of(frame.columns, [])


def test_any_change_counts(spark: SparkSession) -> None:
    """A value moved into the empty column beside it, a row more or less, a name, an element."""
    changed = [
        ROWS,
        ROWS[:2],
        [*ROWS, ROWS[2]],
        [(None, "1", 0.5, [("p", 1.0)]), *ROWS[1:]],
        [("1", "", 0.5, [("p", 1.0)]), *ROWS[1:]],
        [("1", None, 0.25, [("p", 1.0)]), *ROWS[1:]],
        [("1", None, 0.5, [("p", 1.5)]), *ROWS[1:]],
        [("1", None, 0.5, []), *ROWS[1:]],
        [],
    ]
    digests = [frame_digest(spark.createDataFrame(rows, SCHEMA))[0] for rows in changed]
    renamed = spark.createDataFrame(ROWS, SCHEMA).withColumnRenamed("n", "m")
    digests.append(frame_digest(renamed)[0])
    assert len(set(digests)) == len(changed) + 1


def test_the_code_version_is_twelve_digits_of_the_source() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 12
    assert set(code_version()) <= set("0123456789abcdef")
    assert code_version() != hashlib.sha256().hexdigest()[:12]
