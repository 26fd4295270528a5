"""What of the lake a run may see: what was before the day's end, from its batches."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def day_end(day: dt.date) -> dt.datetime:
    """The first instant (UTC) after a logical day."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)


def visible_events(events: DataFrame, *, until: dt.datetime, horizon: int) -> DataFrame:
    """Events before `until` from batches up to `horizon`, whatever landed later.

    The condition on the event date prunes partitions; the one on the time decides.
    """
    from pyspark.sql import functions as F

    return events.where(
        (F.col(c.EVENT_DATE) <= F.lit(until.date()))
        & (F.col(c.EVENT_TIME) < F.lit(until))
        & (F.col(c.BATCH_SEQ) <= horizon)
    )


def unread_events(
    lake: Lake,
    *,
    until: dt.datetime,
    horizon: int,
    read_until: dt.datetime,
    read_horizon: int,
) -> DataFrame:
    """Events that are visible at `until` and `horizon` and were not at the earlier two.

    Later batches are found by the statistics of their files, later days by their partitions.
    """
    from pyspark.sql import functions as F

    landed_since = visible_events(
        lake.read("events", after=read_horizon), until=until, horizon=horizon
    )
    known_then = visible_events(
        lake.read("events"), until=until, horizon=min(horizon, read_horizon)
    )
    happened_since = known_then.where(F.col(c.EVENT_DATE) >= F.lit(read_until.date()))
    return landed_since.union(happened_since)


def known_rows(rows: DataFrame, *, until: dt.datetime, horizon: int) -> DataFrame:
    """Catalogue or profile rows of batches up to `horizon` that hold from before `until` on."""
    from pyspark.sql import functions as F

    since = F.col(c.VALID_FROM)
    begun = since.isNull() | (since < F.lit(until))
    return rows.where((F.col(c.BATCH_SEQ) <= horizon) & begun)
