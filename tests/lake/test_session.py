"""The session says what the machine lacks before it starts anything, and reads times in UTC."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import SparkSettings
from recsys_batch.errors import SetupError
from recsys_batch.lake.session import executor_java_options, make_session


@pytest.mark.parametrize(
    ("memory", "found"),
    [
        ("much", r"'much' is not an amount of memory; write it like 512m or 4g"),
        ("4 g", r"'4 g' is not an amount of memory"),
        ("100m", r"100m is less than Spark starts with; give it 512m or more"),
        ("900t", r"900t of memory asked for, \d+ MiB available; .*spark.driver_memory=1g"),
    ],
)
def test_memory_that_cannot_be_had_is_refused(memory: str, found: str) -> None:
    with pytest.raises(SetupError, match=found) as caught:
        make_session(SparkSettings(driver_memory=memory))
    assert caught.value.where == "spark.driver_memory"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("master", "bound"), [("local[2]", "127.0.0.1"), ("spark://a:7077", None)])
def test_the_driver_stays_on_loopback_in_local_mode_alone(master, bound, monkeypatch) -> None:
    """Executors of other machines could not reach it there."""
    for name in ("SPARK_LOCAL_IP", "PYSPARK_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SetupError):
        make_session(SparkSettings(master=master, driver_memory="100m"))
    assert os.environ.pop("SPARK_LOCAL_IP", None) == bound


def test_executors_read_times_in_utc_and_take_the_options_of_the_jvm() -> None:
    options = executor_java_options(SparkSettings(java_options="-XX:+UseSerialGC")).split()
    assert options[0] == "-Duser.timezone=UTC"
    assert options[-1] == "-XX:+UseSerialGC"


@pytest.mark.spark
def test_a_second_call_returns_the_same_session(spark: SparkSession) -> None:
    again = make_session(SparkSettings(driver_memory="512m"))
    assert again.sparkContext.applicationId == spark.sparkContext.applicationId


@pytest.mark.spark
def test_results_do_not_depend_on_the_machine(spark: SparkSession) -> None:
    """Times are UTC, and the splits of files do not follow the number of executors."""
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert int(str(spark.conf.get("spark.sql.files.minPartitionNum"))) >= 1
    row = spark.sql("SELECT TIMESTAMP'1970-01-02 00:00:00' AS t, unix_timestamp(t) AS s").collect()
    assert (row[0]["t"], row[0]["s"]) == (dt.datetime(1970, 1, 2), 86400)
