"""Small event and catalogue frames for the tests of features."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.features.parts import Part
from recsys_batch.features.state import Clock, Decay, fold, fold_facts
from recsys_batch.lake.tables import TABLES

UNTIL = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
WEIGHTS = {"purchase": 1.0, "view": 0.25, "cancel": -1.0}


def ago(days: float) -> dt.datetime:
    """The instant so many days before `UNTIL`."""
    return UNTIL - dt.timedelta(days=days)


def events(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Events: purchases with consent of user u and item i, a day before `UNTIL`, if not given."""
    table = TABLES["events"]
    blank: dict[str, Any] = dict.fromkeys(table.names)
    full = []
    for number, row in enumerate(rows):
        made = {
            **blank,
            "event_id": f"{number:04}",
            "user_key": "u",
            "item_id": "i",
            "event_type": "purchase",
            "event_time": ago(1),
            "consent": True,
            "batch_seq": 1,
            **row,
        }
        made["event_date"] = made["event_time"].astimezone(dt.UTC).date()
        full.append(tuple(made[name] for name in table.names))
    return spark.createDataFrame(full, table.ddl)


def catalogue(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Catalogue rows of item i, if not given."""
    return _rows(spark, "catalogue", rows, item_id="i", deleted=False)


def profiles(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Profile rows of user u, if not given."""
    return _rows(spark, "profiles", rows, user_key="u")


def consents(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    """Statements of user u on training, a day before `UNTIL`, in the source `consents`."""
    given = {"user_key": "u", "purpose": "training", "source": "consents", "stated_at": ago(1)}
    return _rows(spark, "consents", rows, **given)


def _rows(
    spark: SparkSession, name: str, rows: tuple[dict[str, Any], ...], **given: Any
) -> DataFrame:
    table = TABLES[name]
    blank: dict[str, Any] = dict.fromkeys(table.names)
    full = [
        {**blank, **given, "event_id": f"{number:04}", "batch_seq": 1, **row}
        for number, row in enumerate(rows)
    ]
    return spark.createDataFrame(
        [tuple(row[column] for column in table.names) for row in full], table.ddl
    )


def clock(
    half_life_days: float | None = 10.0,
    popular: float = 10.0,
    until: dt.datetime = UNTIL,
) -> Clock:
    """The decays of a run that looks back from `until`."""
    return Clock(Decay.before(until.date(), half_life_days), Decay.before(until.date(), popular))


def state_of(frame: DataFrame, until: dt.datetime = UNTIL, **half_lives: float | None) -> DataFrame:
    """The state of the events before `until`."""
    return fold(frame.where(F.col("event_time") < F.lit(until)), clock(until=until, **half_lives))


def whole(until: dt.datetime = UNTIL) -> tuple[Part]:
    """The one part that is made of all of a state."""
    return (Part("full", until),)


def facts_of(frame: DataFrame, until: dt.datetime = UNTIL) -> DataFrame:
    """What the events before `until` say of items."""
    return fold_facts(frame.where(F.col("event_time") < F.lit(until)))


def by(frame: DataFrame, *keys: str) -> dict[Any, dict[str, Any]]:
    """Rows by their key, which is unique."""
    rows = [row.asDict() for row in frame.collect()]
    found = {
        tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: row for row in rows
    }
    assert len(found) == len(rows)
    return found
