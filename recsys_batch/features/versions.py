"""Slowly changing tables: which version of an item or of a user held when.

A row of `catalogue` or `profiles` states what held from its `valid_from` on, until another row of
the same key does. One without a date holds from the beginning. Of rows of one instant the one of
the latest batch holds, then the one with the greater event id; the others never held.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MICROSECOND = dt.timedelta(microseconds=1)  # Spark's times are whole ones
_ITEM_DATA = (
    *(c.TITLE, c.CATEGORY, c.PRICE, c.DESCRIPTION, c.TAGS),
    *(c.AVAILABLE_FROM, c.AVAILABLE_UNTIL),
)


def item_versions(catalogue: DataFrame) -> DataFrame:
    """The versions of items, [valid_from, valid_to); a deletion keeps what was known before it.

    Returns
    -------
    DataFrame
        The columns of `catalogue` but its batch and event id, valid_to, and first_time: the first
        `valid_from` of the item up to the version, null where none of its rows had one.
    """
    return _versions(catalogue, key=c.ITEM_ID, data=_ITEM_DATA, deleted=True)


def profile_versions(profiles: DataFrame) -> DataFrame:
    """The same of users, with the columns of `profiles` but its key id, batch and event id."""
    data = (c.REGION, c.COHORT, c.BIRTH_YEAR, c.AGE_BAND, c.PREFERENCES)
    return _versions(profiles, key=c.USER_KEY, data=data, deleted=False)


def as_of(versions: DataFrame, at: dt.datetime) -> DataFrame:
    """The versions that held at an instant: at most one a key."""
    from pyspark.sql import functions as F

    moment = F.lit(at)
    still = F.col(c.VALID_TO).isNull() | (F.col(c.VALID_TO) > moment)
    return versions.where((F.col(c.VALID_FROM) <= moment) & still)


def held_before(versions: DataFrame, until: dt.datetime) -> DataFrame:
    """The versions that held just before an instant."""
    return as_of(versions, until - _MICROSECOND)


def join_as_of(
    events: DataFrame, versions: DataFrame, *, key: str, columns: Sequence[str], prefix: str
) -> DataFrame:
    """Add to each event what held of its item or user at the event's own time.

    Parameters
    ----------
    events
        With the key and event_time; each is kept once.
    versions
        From `item_versions` or `profile_versions`.
    key
        item_id or user_key.
    columns
        Columns of the versions to add; null where no version held.
    prefix
        Begins the names of what is added.
    """
    from pyspark.sql import functions as F

    held = versions.select(
        F.col(key).alias("_key"),
        F.col(c.VALID_FROM).alias("_from"),
        F.col(c.VALID_TO).alias("_to"),
        *(F.col(name).alias(f"{prefix}{name}") for name in columns),
    )
    time = F.col(c.EVENT_TIME)
    during = (time >= F.col("_from")) & (F.col("_to").isNull() | (time < F.col("_to")))
    joined = events.join(held, (F.col(key) == F.col("_key")) & during, how="left")
    return joined.drop("_key", "_from", "_to")


def _versions(rows: DataFrame, *, key: str, data: Sequence[str], deleted: bool) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    since = F.coalesce(F.col(c.VALID_FROM), F.timestamp_seconds(F.lit(0)))
    ordered = Window.partitionBy(key).orderBy("_since", c.BATCH_SEQ, c.EVENT_ID)
    columns = [F.col(name) for name in data]
    if deleted:
        gone = F.coalesce(F.col(c.DELETED), F.lit(False))
        before = F.last(F.when(~gone, F.struct(*data)), ignorenulls=True).over(ordered)
        columns = [
            F.when(gone, F.coalesce(name, before[name])).otherwise(F.col(name)).alias(name)
            for name in data
        ]
        columns.append(gone.alias(c.DELETED))
    made = rows.withColumn("_since", since).select(
        key,
        F.col("_since").alias(c.VALID_FROM),
        F.lead("_since").over(ordered).alias(c.VALID_TO),
        F.min(c.VALID_FROM).over(ordered).alias(c.FIRST_TIME),
        *columns,
    )
    return made.where(F.col(c.VALID_TO).isNull() | (F.col(c.VALID_TO) > F.col(c.VALID_FROM)))
