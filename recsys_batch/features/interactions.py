"""Weighted, time-decayed interactions and popularity, from the state of a run's events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventType
from recsys_batch.features.state import Decay, weighed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def interactions(
    state: DataFrame,
    *,
    until: dt.date,
    decay: Decay,
    weights: Mapping[EventType, float],
    seen_types: Sequence[str],
    recent: DataFrame | None = None,
) -> DataFrame:
    """One row a user and item that the user acted on.

    A pair whose net weight is not positive (a purchase and its cancellation, or a purchase before
    the window) is kept with weight zero if it is seen, and left out otherwise.

    Parameters
    ----------
    state
        What may train (`recsys_batch.features.state.consented`).
    until
        The first day that is not looked back on.
    recent
        The state of the events in the window, where there is one: these alone weigh.

    Returns
    -------
    DataFrame
        user_key, item_id, weight, events, event_type, last_time, seen.
    """
    from pyspark.sql import functions as F

    telling = [kind for kind, weight in weights.items() if weight != 0]
    known = state.where(
        F.col(c.USER_KEY).isNotNull() & F.col(c.EVENT_TYPE).isin([*telling, *seen_types])
    )
    ranked = sorted({*telling, *seen_types}, key=lambda kind: (weights.get(kind, 0.0), kind))
    weight = F.greatest(weighed(weights, c.UNITS, decay.weight(until)), F.lit(0.0))
    pairs = known.groupBy(c.USER_KEY, c.ITEM_ID).agg(
        weight.alias(c.WEIGHT),
        F.sum(c.EVENTS).alias(c.EVENTS),
        F.max(_place_of(ranked)).alias("_place"),
        F.max(c.LAST_TIME).alias(c.LAST_TIME),
        F.bool_or(F.col(c.EVENT_TYPE).isin(list(seen_types))).alias(c.SEEN),
    )
    names = F.array(*(F.lit(kind) for kind in ranked))
    pairs = pairs.withColumn(c.EVENT_TYPE, F.element_at(names, F.col("_place")))
    if recent is not None:
        weighty = recent.groupBy(c.USER_KEY, c.ITEM_ID).agg(weight.alias("_recent"))
        pairs = pairs.join(weighty, [c.USER_KEY, c.ITEM_ID], how="left").withColumn(
            c.WEIGHT, F.coalesce("_recent", F.lit(0.0))
        )
    return pairs.where((F.col(c.WEIGHT) > 0) | F.col(c.SEEN)).select(
        *(c.USER_KEY, c.ITEM_ID, c.WEIGHT, c.EVENTS, c.EVENT_TYPE, c.LAST_TIME, c.SEEN)
    )


def popularity(
    state: DataFrame, *, until: dt.date, decay: Decay, weights: Mapping[EventType, float]
) -> DataFrame:
    """Decayed weight of each item over all (segment null) and over each region.

    Anonymous events count: who acted does not matter here.

    Returns
    -------
    DataFrame
        segment, item_id, score > 0.
    """
    from pyspark.sql import functions as F

    segments = F.array_distinct(F.array(F.lit(None).cast("string"), F.col(c.REGION)))
    score = weighed(weights, c.POPULAR_UNITS, decay.weight(until))
    by_region = (
        state.where(F.col(c.EVENT_TYPE).isin(list(weights)))
        .groupBy(c.ITEM_ID, c.REGION, c.EVENT_TYPE)
        .agg(F.sum(c.POPULAR_UNITS).alias(c.POPULAR_UNITS))
    )
    return (
        by_region.select(
            F.explode(segments).alias(c.SEGMENT), c.ITEM_ID, c.EVENT_TYPE, c.POPULAR_UNITS
        )
        .groupBy(c.SEGMENT, c.ITEM_ID)
        .agg(score.alias(c.SCORE))
        .where(F.col(c.SCORE) > 0)
    )


def holdout(
    events: DataFrame, *, since: dt.datetime, until: dt.datetime, relevant_types: Sequence[str]
) -> DataFrame:
    """Distinct (user_key, item_id) of relevant events from `since` up to `until`."""
    from pyspark.sql import functions as F

    return (
        events.where(
            F.col(c.USER_KEY).isNotNull()
            & (F.col(c.EVENT_TIME) >= F.lit(since))
            & (F.col(c.EVENT_TIME) < F.lit(until))
            & F.col(c.EVENT_TYPE).isin(list(relevant_types))
        )
        .select(c.USER_KEY, c.ITEM_ID)
        .distinct()
    )


def _place_of(types: Sequence[EventType]) -> Column:
    """Place of the event's type among some, from 1.

    A number: Spark adds groups up by hashing while it keeps numbers, and sorts them for text.
    """
    from pyspark.sql import functions as F

    place = F.lit(None).cast("int")
    for number, kind in enumerate(types, 1):
        place = F.when(F.col(c.EVENT_TYPE) == kind, F.lit(number)).otherwise(place)
    return place
