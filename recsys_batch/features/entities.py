"""Users and items as they were known at an instant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def users(events: DataFrame, *, until: dt.datetime) -> DataFrame:
    """One row a user with an event before `until`; the region is the latest that was named.

    Returns
    -------
    DataFrame
        user_key, region, events, first_time, last_time.
    """
    from pyspark.sql import functions as F

    known = events.where(F.col(c.USER_KEY).isNotNull() & (F.col(c.EVENT_TIME) < F.lit(until)))
    return known.groupBy(c.USER_KEY).agg(
        _latest(c.REGION).alias(c.REGION),
        F.count(F.lit(1)).alias(c.EVENTS),
        F.min(c.EVENT_TIME).alias(c.FIRST_TIME),
        F.max(c.EVENT_TIME).alias(c.LAST_TIME),
    )


def items(
    events: DataFrame, catalogue: DataFrame, *, until: dt.datetime, blocked: Sequence[str]
) -> DataFrame:
    """One row an item with an event or a catalogue row before `until`.

    The catalogue wins over what events carry; a catalogue row without a date holds always.

    Returns
    -------
    DataFrame
        item_id, title, category, price, first_time, last_time, recommendable.
    """
    from pyspark.sql import functions as F

    from_events = (
        events.where(F.col(c.EVENT_TIME) < F.lit(until))
        .groupBy(c.ITEM_ID)
        .agg(
            _latest(c.TITLE).alias("event_title"),
            _latest(c.CATEGORY).alias("event_category"),
            _latest(c.PRICE).alias("event_price"),
            F.min(c.EVENT_TIME).alias("first_event"),
            F.max(c.EVENT_TIME).alias(c.LAST_TIME),
        )
    )
    since = F.coalesce(F.col(c.VALID_FROM), F.timestamp_seconds(F.lit(0)))
    order = F.struct(since, F.col(c.BATCH_SEQ), F.col(c.EVENT_ID))
    stated = (
        catalogue.where(since < F.lit(until))
        .groupBy(c.ITEM_ID)
        .agg(
            *(F.max_by(name, order).alias(name) for name in (c.TITLE, c.CATEGORY, c.PRICE)),
            F.min(c.VALID_FROM).alias(c.VALID_FROM),
        )
    )
    joined = stated.join(from_events, c.ITEM_ID, how="full_outer")
    return joined.select(
        c.ITEM_ID,
        F.coalesce(c.TITLE, "event_title").alias(c.TITLE),
        F.coalesce(c.CATEGORY, "event_category").alias(c.CATEGORY),
        F.coalesce(c.PRICE, "event_price").alias(c.PRICE),
        F.least(c.VALID_FROM, "first_event").alias(c.FIRST_TIME),
        c.LAST_TIME,
        (~F.col(c.ITEM_ID).isin(list(blocked))).alias(c.RECOMMENDABLE),
    )


def _latest(name: str) -> Column:
    """The value of the latest event that has one; ties go to the greater event id."""
    from pyspark.sql import functions as F

    order = F.when(F.col(name).isNotNull(), F.struct(c.EVENT_TIME, c.EVENT_ID))
    return F.max_by(name, order)
