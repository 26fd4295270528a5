"""Numbers and instants: what a text means, and that nothing else is read into it."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.errors import MappingError
from recsys_batch.ingest.values import instant, labels, number, require_time_format

pytestmark = pytest.mark.spark


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def read(
    spark: SparkSession, texts: list[str], *, time_format: str, zone: str
) -> dict[str, dt.datetime | None]:
    """The instants as naive UTC."""
    frame = spark.createDataFrame([(each,) for each in texts], "text STRING")
    rows = frame.select("text", instant(F.col("text"), time_format, zone).alias("time")).collect()
    return {row["text"]: row["time"] for row in rows}


ISO_LONDON = {
    # local time, in winter and in summer
    "2026-01-15": "2026-01-15 00:00:00",
    "2026-01-15 12:30": "2026-01-15 12:30:00",
    "2026-07-15T12:30:05": "2026-07-15 11:30:05",
    "2026-07-15 12:30:05.123456": "2026-07-15 11:30:05.123456",
    "2026-7-5 3:04:05": "2026-07-05 02:04:05",
    # the clock goes forward at 01:00 on 29 March: 01:30 does not exist
    "2026-03-29 00:59:59": "2026-03-29 00:59:59",
    "2026-03-29 01:30:00": "2026-03-29 01:30:00",
    "2026-03-29 02:00:00": "2026-03-29 01:00:00",
    # the clock goes back at 02:00 on 25 October: 01:30 comes twice, the first is meant
    "2026-10-25 01:30:00": "2026-10-25 00:30:00",
    "2026-10-25 02:00:00": "2026-10-25 02:00:00",
    # an offset or a zone is believed, whatever the data set's zone
    "2026-07-15T12:30:00Z": "2026-07-15 12:30:00",
    "2026-07-15T12:30:00+02:00": "2026-07-15 10:30:00",
    "2026-07-15 12:30:00-0500": "2026-07-15 17:30:00",
    "2026-07-15 12:30:00 +0100": "2026-07-15 11:30:00",
    "2026-07-15 12:30:00 UTC": "2026-07-15 12:30:00",
    "2026-07-15T12:30:00 Europe/Berlin": "2026-07-15 10:30:00",
    "2026-10-25T01:30:00+01:00": "2026-10-25 00:30:00",
    "2026-10-25T01:30:00+00:00": "2026-10-25 01:30:00",
    # leap day
    "2024-02-29": "2024-02-29 00:00:00",
}
NO_TIMES = [
    *("now", "today", "epoch", "12:30", "T12:30", "2026", "2026-01", ""),
    *("2026-02-29", "15/01/2026", "2026-01-15 24:30", "2026-01-15junk"),
    "2026-01-15T12:30Z",  # Spark asks for seconds before an offset
]


def test_iso_times_with_and_without_offsets(spark: SparkSession) -> None:
    found = read(spark, list(ISO_LONDON), time_format="iso", zone="Europe/London")
    assert found == {text: at(time) for text, time in ISO_LONDON.items()}


def test_what_is_no_day_is_no_time(spark: SparkSession) -> None:
    """Spark reads `now` and `12:30` as of the day it runs on, which no rerun would repeat."""
    found = read(spark, NO_TIMES, time_format="iso", zone="UTC")
    assert found == dict.fromkeys(NO_TIMES)


@pytest.mark.parametrize(
    ("time_format", "text", "time"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2011-07-01 09:05:00", "2011-07-01 08:05:00"),
        ("d/M/yyyy H:mm", "1/12/2010 8:26", "2010-12-01 08:26:00"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2011-07-01T09:05:00+02:00", "2011-07-01 07:05:00"),
        ("yyyy-MM-dd HH:mm:ss Z", "2011-07-01 09:05:00 +0200", "2011-07-01 07:05:00"),
        ("yyyy-MM-dd HH:mm:ss VV", "2011-07-01 09:05:00 Asia/Tokyo", "2011-07-01 00:05:00"),
        # quoted letters are text and no offset
        ("yyyy-MM-dd 'OXZ' HH:mm", "2011-07-01 OXZ 09:05", "2011-07-01 08:05:00"),
        ("epoch_seconds", "1309511100", "2011-07-01 09:05:00"),
        ("epoch_seconds", "1309511100.25", "2011-07-01 09:05:00.25"),
        ("epoch_seconds", "-1", "1969-12-31 23:59:59"),
        ("epoch_millis", "1309511100250", "2011-07-01 09:05:00.25"),
    ],
)
def test_patterns_and_epochs(spark: SparkSession, time_format: str, text: str, time: str) -> None:
    found = read(spark, [text], time_format=time_format, zone="Europe/London")
    assert found == {text: at(time)}


def test_an_epoch_too_great_for_any_clock_is_none(spark: SparkSession) -> None:
    texts = ["9" * 24, "9" * 30, "1e400", "soon"]
    found = read(spark, texts, time_format="epoch_seconds", zone="UTC")
    assert found == dict.fromkeys(texts)


def test_a_wrong_pattern_is_a_mapping_error(spark: SparkSession) -> None:
    for good in ("iso", "epoch_millis", "dd.MM.yyyy HH:mm"):
        require_time_format(spark, good, where="x")
    for bad in ("YYYY-MM-dd", "yyyy-MM-dd bb", "yyyy-MM-dd 'T"):
        with pytest.raises(MappingError, match=r"conf.yaml: time_format .* is no datetime pattern"):
            require_time_format(spark, bad, where="conf.yaml")


def test_numbers_are_decimal(spark: SparkSession) -> None:
    good = {"1": 1.0, "-2.50": -2.5, "+.5": 0.5, "3.": 3.0, "1e3": 1000.0, "1E-2": 0.01}
    bad = [
        "1d",
        "2f",
        "0x1p3",
        "NaN",
        "Infinity",
        "-inf",
        "1,5",
        "1_000",
        "\N{ARABIC-INDIC DIGIT ONE}",
        ".",
        "e3",
        "",
    ]
    frame = spark.createDataFrame([(each,) for each in [*good, *bad]], "text STRING")
    rows = frame.select("text", number(F.col("text")).alias("number")).collect()
    assert {row[0]: row[1] for row in rows} == {**good, **dict.fromkeys(bad)}


def test_labels_are_read_from_json_and_from_text(spark: SparkSession) -> None:
    texts = {
        '["b", "a", "b"]': ["a", "b"],
        '["one, two", " x "]': ["one, two", "x"],
        "[b, a]": ["a", "b"],
        "b; a|b , c": ["a", "b", "c"],
        "single": ["single"],
        "[]": None,
        " , ;": None,
    }
    frame = spark.createDataFrame([(each,) for each in [*texts, None]], "text STRING")
    found = {row[0]: row[1] for row in frame.select("text", labels("text")).collect()}
    assert found == {**texts, None: None}
