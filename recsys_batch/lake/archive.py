"""``python -m recsys_batch.lake.archive``: keep the JVM's classes from one start to the next.

A day's run loads some twenty thousand classes of Spark. From an archive of them (JEP 350, JDK 13
and later) a fifth of the run's processor time is saved. It belongs to one JDK and one set of jars;
another JVM passes over it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.config import SparkSettings
from recsys_batch.errors import RecsysError
from recsys_batch.lake.session import make_session
from recsys_batch.setup.jars import class_archive

_LONGEST = 120  # seconds for the JVM to write the archive


def main() -> int:
    """Make the archive where there is none; a failure is said and costs nothing but time later."""
    path = class_archive()
    if path.exists():
        return 0
    sys.stdout.write("Archiving Spark's classes for faster starts ...\n")
    sys.stdout.flush()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _archive(unfinished)
        unfinished.rename(path)
    except (RecsysError, OSError, subprocess.TimeoutExpired) as error:
        unfinished.unlink(missing_ok=True)
        sys.stdout.write(f"No archive was made, so each start takes some seconds more: {error}\n")
    return 0


def _archive(path: Path) -> None:
    quiet = "-Xlog:cds=off -Xlog:cds+dynamic=off"  # it names each class that it leaves out
    options = f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ArchiveClassesAtExit={path} {quiet}"
    spark = make_session(
        SparkSettings(driver_memory="1g", shuffle_partitions=2, java_options=options),
        app="archive",
    )
    with tempfile.TemporaryDirectory(prefix="recsys-archive-") as work:
        _use(spark, Path(work))
    gateway: Any = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # which ends the JVM, and it writes the archive
    gateway.proc.wait(timeout=_LONGEST)


def _use(spark: SparkSession, work: Path) -> None:
    """Run a little of everything that a day's stages do, so that its classes are loaded."""
    (work / "in.csv").write_text('a,b,t\n1,"x ""y""",2026-01-01T00:00:00\n2,z,2026-01-02\n')
    lines = spark.read.text(str(work / "in.csv")).withColumn("file", F.input_file_name())
    parsed = lines.select("file", F.from_csv("value", "a INT, b STRING, t STRING").alias("row"))
    rows = parsed.select(
        F.col("row.a").alias("a"),
        F.sha2(F.coalesce(F.col("row.b"), F.lit("")), 256).alias("key"),
        F.try_to_timestamp("row.t").alias("at"),
        F.from_json(F.lit('{"k": [1, 2]}'), "k ARRAY<INT>").alias("json"),
    ).withColumn("day", F.to_date("at"))
    rows.persist()
    rows.write.partitionBy("day").parquet(str(work / "table"))
    table = spark.read.schema(rows.schema).option("basePath", str(work / "table"))
    files = sorted(str(path) for path in (work / "table").rglob("*.parquet"))
    found = table.parquet(*files).where(F.col("day").isNotNull())
    sums = found.groupBy("key").agg(
        F.sum(F.xxhash64("a").cast("decimal(38,0)")),
        F.max_by("a", F.struct("at", "a")),
        F.min("at").alias("since"),
        F.count_distinct("a"),
    )
    joined = found.join(sums, "key", how="left_semi").join(sums, "key", how="left")
    joined.union(joined).distinct().orderBy(F.desc("since"), "key").toArrow()
    found.join(sums.select("key"), "key", how="left_anti").count()
    found.select("a").mapInArrow(lambda batches: batches, "a INT").collect()
    spark.createDataFrame([("a", 1)], "k STRING, v INT").repartition(2, "k").toLocalIterator()


if __name__ == "__main__":
    sys.exit(main())
