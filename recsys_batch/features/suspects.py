"""Suspects: a user's days that look like a machine's, by limits on events a day and a minute.

They stay in the event store, since they landed and are valid, but train and measure nothing. A day
is judged by its own events alone, so that what happens later changes no earlier day's verdict.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.config import Limits
from recsys_batch.lake.runs import Run, was_checked
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST = "most"  # events of the fullest minute


def suspects(events: DataFrame, *, limits: Limits) -> DataFrame:
    """One row a user and UTC day with more events than a limit allows.

    A minute is one of the clock's. Anonymous events are nobody's and stand for themselves.

    Returns
    -------
    DataFrame
        user_key, event_date, reason, events (of the day), most (within one minute).
    """
    from pyspark.sql import functions as F

    minute = F.date_trunc("minute", c.EVENT_TIME).alias("minute")
    minutes = (
        events.where(F.col(c.USER_KEY).isNotNull())
        .groupBy(c.USER_KEY, c.EVENT_DATE, minute)
        .agg(F.count(F.lit(1)).alias(c.EVENTS))
    )
    days = minutes.groupBy(c.USER_KEY, c.EVENT_DATE).agg(
        F.sum(c.EVENTS).alias(c.EVENTS), F.max(c.EVENTS).alias(MOST)
    )
    a_day = F.lit(limits.max_events_per_day).cast("bigint")
    a_minute = F.lit(limits.max_events_per_minute).cast("bigint")
    reason = F.when(F.col(c.EVENTS) > a_day, "too_many_a_day").when(
        F.col(MOST) > a_minute, "too_many_a_minute"
    )
    return days.select(c.USER_KEY, c.EVENT_DATE, reason.alias(c.REASON), c.EVENTS, MOST).where(
        F.col(c.REASON).isNotNull()
    )


def run_suspects(
    lake: Lake,
    events: DataFrame,
    *,
    run: Run,
    before: Run | None,
    days: Sequence[dt.date],
    limits: Limits,
) -> DataFrame:
    """The suspect days of a run: of `days`, judged now; of others, as the run before judged them.

    A run whose features are whole has judged them all: it is named by what it sees.

    Parameters
    ----------
    events
        What the run sees.
    before
        An earlier run whose features are whole.
    days
        Those of which the run sees what that one did not.
    """
    from pyspark.sql import functions as F

    if was_checked(lake.home, run, "interactions"):
        return lake.read("suspects", run_id=run.run_id).drop(c.RUN_ID)
    of_days = F.col(c.EVENT_DATE).isin(*days)
    flagged = suspects(events.where(of_days), limits=limits)
    if before is not None:
        known = lake.read("suspects", run_id=before.run_id).where(~of_days)
        flagged = flagged.unionByName(known.drop(c.RUN_ID))
    lake.replace("suspects", flagged.withColumn(c.RUN_ID, F.lit(run.run_id)), run_id=run.run_id)
    return lake.read("suspects", run_id=run.run_id).drop(c.RUN_ID)


def without_suspects(events: DataFrame, flagged: DataFrame) -> DataFrame:
    """Events but for those of flagged users on the flagged days."""
    keys = [c.USER_KEY, c.EVENT_DATE]
    return events.join(flagged.select(*keys), keys, how="left_anti").select(*events.columns)


def suspects_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is to be said of the rows of `suspects` of a run."""
    events = sum(row[c.EVENTS] for row in rows)
    users = len({row[c.USER_KEY] for row in rows})
    return f"suspects: {len(rows)} days of {users} users; their {events} events train nothing"
