"""Users and items as they were known at an instant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def users(state: DataFrame) -> DataFrame:
    """One row a user; the region is the latest that an event named, of several the last by name.

    Parameters
    ----------
    state
        What may train (`recsys_batch.features.state.consented`).

    Returns
    -------
    DataFrame
        user_key, region, events, first_time, last_time.
    """
    from pyspark.sql import functions as F

    named = F.when(F.col(c.REGION).isNotNull(), F.struct(c.LAST_TIME, c.REGION))
    return (
        state.where(F.col(c.USER_KEY).isNotNull())
        .groupBy(c.USER_KEY)
        .agg(
            F.max_by(c.REGION, named).alias(c.REGION),
            F.sum(c.EVENTS).alias(c.EVENTS),
            F.min(c.FIRST_TIME).alias(c.FIRST_TIME),
            F.max(c.LAST_TIME).alias(c.LAST_TIME),
        )
    )


def items(
    state: DataFrame,
    facts: DataFrame,
    catalogue: DataFrame,
    *,
    until: dt.datetime,
    blocked: Sequence[str],
) -> DataFrame:
    """One row an item with an event or a catalogue row before `until`.

    The catalogue wins over what events carry; a catalogue row without a date holds always. What an
    item is called says nothing of who acted on it, so events without consent count here.

    Parameters
    ----------
    state, facts
        Of all events before `until` (`recsys_batch.features.state`).

    Returns
    -------
    DataFrame
        item_id, title, category, price, first_time, last_time, recommendable.
    """
    from pyspark.sql import functions as F

    def fact(name: str) -> Column:
        return F.max(F.when(F.col("field") == name, F.col(c.STATED)))

    told = facts.groupBy(c.ITEM_ID).agg(
        fact(c.TITLE).alias("event_title"),
        fact(c.CATEGORY).alias("event_category"),
        fact(c.PRICE).cast("double").alias("event_price"),
    )
    from_events = (
        state.groupBy(c.ITEM_ID)
        .agg(F.min(c.FIRST_TIME).alias("first_event"), F.max(c.LAST_TIME).alias(c.LAST_TIME))
        .join(told, c.ITEM_ID, how="left")
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
