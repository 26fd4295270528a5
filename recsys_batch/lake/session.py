"""The session factory: the only place that starts Spark."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch.config import SparkSettings
from recsys_batch.errors import SetupError
from recsys_batch.setup.jars import class_archive

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOG4J = Path(__file__).with_name("log4j2.properties")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LEAST_HEAP = 450 * 2**20  # bytes; Spark itself refuses less


def make_session(
    settings: SparkSettings, *, app: str = "recsys-batch", more: Mapping[str, str] | None = None
) -> SparkSession:
    """Return the Spark session, started where there is none.

    The same call serves local mode, a cluster, and a script under spark-submit, whose master wins.

    Parameters
    ----------
    more
        Further configuration, which `settings` win over.

    Raises
    ------
    SetupError
        No JDK, no Delta jars, too little memory, or a JVM that does not start.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name in _THREADS:
        os.environ.setdefault(name, "1")  # a Spark task is the unit of parallel work
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted:
        if settings.master.startswith("local"):  # elsewhere, executors must reach the driver
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        _require_memory(settings.driver_memory)
        _require_java()
    _require_delta_jars()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(app)
    if not submitted:
        builder = builder.master(settings.master)
    for key, value in {**_defaults(settings), **(more or {}), **settings.conf}.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # the JVM's failures come as many types
        raise SetupError(
            f"Spark did not start ({' '.join(str(error).split())[:200]})",
            where=f"spark.master {settings.master}",
            fix="run `recsys-batch doctor` and follow what it says",
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    logging.getLogger("py4j").setLevel(logging.WARNING)
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the error raised says it better
    return session


def java_options(settings: SparkSettings) -> str:
    """Options of the driver's JVM; a script under spark-submit must be given them.

    The heap begins at half of what it may become, and Spark's classes have room: what a JVM
    collects while it grows to that takes a second of a day's run. Memory is taken as it is used.
    """
    from recsys_batch.setup.machine import parse_memory

    heap = f"-Xms{parse_memory(settings.driver_memory) // 2} -XX:MetaspaceSize=256m"
    logged = f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}"
    return f"{logged} {heap} {executor_java_options(settings)}"


def executor_java_options(settings: SparkSettings) -> str:
    """Options of every JVM, the executors' too, whose machines may be in other time zones."""
    own = ["-Duser.timezone=UTC"]
    archive = class_archive()
    if archive.exists():  # a JVM that it does not fit, or that has none, passes over it
        own.append(f"-XX:SharedArchiveFile={archive} -Xlog:cds=off -Xlog:cds+dynamic=off")
    return " ".join((*own, settings.java_options)).strip()


def _defaults(settings: SparkSettings) -> dict[str, str]:
    return {
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": java_options(settings),
        "spark.executor.extraJavaOptions": executor_java_options(settings),
        **{f"spark.executorEnv.{name}": "1" for name in _THREADS},
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # How many executors are there at the moment must not change how files are split.
        "spark.sql.files.minPartitionNum": str(settings.shuffle_partitions),
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        # A JSON object that names a key twice is read, not passed over.
        "spark.sql.variant.allowDuplicateKeys": "true",
        # HotSpot never compiles longer methods, such as one of all the rules of a contract.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        # A day's plans make some 370 classes: of 100, the next day in a session finds none.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # Lists a user are gathered by hashing up to so many users a task, and by sorting beyond.
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "4096",
        # Cached rows are read once or twice: finding how to compress them costs more than it saves.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        # Delta's default of 50 partitions for a snapshot makes every small commit slow.
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # A task writes the files of so many partitions at once, and sorts its rows only beyond.
        "spark.sql.maxConcurrentOutputFileWriters": "32",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        # Statistics of columns would hold identifiers in the log; partitions do the pruning.
        "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "0",
        # Readers without Spark cannot all read deletion vectors.
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.python.worker.reuse": "true",
        # For messages alone, each column that is named would cost ten calls of the JVM.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.driver.maxResultSize": "2g",
        # The driver looks at the files of a table itself, where they are not thousands.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "5000",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    }


def _require_memory(wanted: str) -> None:
    from recsys_batch.setup.machine import available_memory, parse_memory

    need, free = parse_memory(wanted), available_memory()
    if need < _LEAST_HEAP:
        raise SetupError(
            f"{wanted} is less than Spark starts with",
            where="spark.driver_memory",
            fix="give it 512m or more",
        )
    if free is not None and free < need:
        raise SetupError(
            f"{wanted} of memory asked for, {free // 2**20} MiB available",
            where="spark.driver_memory",
            fix="close other programs, or lower it with --set spark.driver_memory=1g",
        )


def _require_java() -> None:
    from recsys_batch.setup.jdk import require_java

    os.environ["JAVA_HOME"] = str(require_java().home)


def _require_delta_jars() -> None:
    from recsys_batch.setup.jars import jars_present

    if not jars_present():
        raise SetupError(
            "Delta's jars are not in Spark's jars folder",
            where="pyspark/jars",
            fix="run `python -m recsys_batch.setup` once, with a network",
        )
