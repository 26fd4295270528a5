"""What of the event store a run may see: before the day's end, of its batches, with consent."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from recsys_batch import columns as c

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


def consented(events: DataFrame) -> DataFrame:
    """Events that may train: with consent, of users whose latest event has not revoked it.

    Where several events are the latest, one that revokes wins. Anonymous events stand for
    themselves.
    """
    from pyspark.sql import functions as F

    latest = F.max_by(c.CONSENT, F.struct(F.col(c.EVENT_TIME), ~F.col(c.CONSENT)))
    revoked = (
        events.where(F.col(c.USER_KEY).isNotNull())
        .groupBy(c.USER_KEY)
        .agg(latest.alias("agrees"))
        .where(~F.col("agrees"))
        .select(c.USER_KEY)
    )
    return events.where(F.col(c.CONSENT)).join(revoked, c.USER_KEY, how="left_anti")
