"""Weighted, time-decayed interactions and popularity.

An event weighs its type's weight times exp(-lambda * age), lambda = ln 2 / half-life, age in days
back from `until`. Contributions are summed as integers of 2^-30, so that a sum does not depend on
the order of its terms and a rerun gives the same bits.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventType, FeatureSettings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_UNIT = float(2**30)
_DAY_MICROS = 86_400_000_000


def interactions(
    events: DataFrame,
    *,
    until: dt.datetime,
    weights: Mapping[EventType, float],
    seen_types: Sequence[str],
    settings: FeatureSettings,
) -> DataFrame:
    """One row a user and item that the user acted on.

    A pair whose net weight is not positive (a purchase and its cancellation, or a purchase before
    the window) is kept with weight zero if it is seen, and left out otherwise.

    Returns
    -------
    DataFrame
        user_key, item_id, weight, events, event_type, last_time, seen.
    """
    from pyspark.sql import functions as F

    known = events.where(F.col(c.USER_KEY).isNotNull() & (F.col(c.EVENT_TIME) < F.lit(until)))
    weight = _type_weight(weights)
    if settings.window_days is not None:
        since = until - dt.timedelta(days=settings.window_days)
        weight = F.when(F.col(c.EVENT_TIME) >= F.lit(since), weight).otherwise(F.lit(0.0))
    weighed = known.select(
        *(c.USER_KEY, c.ITEM_ID, c.EVENT_TYPE, c.EVENT_TIME, c.EVENT_ID),
        weight.alias("base"),
        _units(weight, until, settings.half_life_days).alias("units"),
        F.col(c.EVENT_TYPE).isin(list(seen_types)).alias("is_seen"),
    ).where((F.col("base") != 0) | F.col("is_seen"))
    weightiest = F.max_by(c.EVENT_TYPE, F.struct("base", c.EVENT_TIME, c.EVENT_ID))
    pairs = weighed.groupBy(c.USER_KEY, c.ITEM_ID).agg(
        F.greatest(F.sum("units"), F.lit(0)).alias("units"),
        F.count(F.lit(1)).alias(c.EVENTS),
        weightiest.alias(c.EVENT_TYPE),
        F.max(c.EVENT_TIME).alias(c.LAST_TIME),
        F.bool_or("is_seen").alias(c.SEEN),
    )
    return pairs.where((F.col("units") > 0) | F.col(c.SEEN)).select(
        c.USER_KEY,
        c.ITEM_ID,
        (F.col("units") / _UNIT).alias(c.WEIGHT),
        *(c.EVENTS, c.EVENT_TYPE, c.LAST_TIME, c.SEEN),
    )


def popularity(
    events: DataFrame,
    *,
    until: dt.datetime,
    weights: Mapping[EventType, float],
    half_life_days: float,
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
    weighed = events.where(F.col(c.EVENT_TIME) < F.lit(until)).select(
        F.explode(segments).alias(c.SEGMENT),
        c.ITEM_ID,
        _units(_type_weight(weights), until, half_life_days).alias("units"),
    )
    summed = weighed.groupBy(c.SEGMENT, c.ITEM_ID).agg(F.sum("units").alias("units"))
    return summed.where(F.col("units") > 0).select(
        c.SEGMENT, c.ITEM_ID, (F.col("units") / _UNIT).alias(c.SCORE)
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


def _type_weight(weights: Mapping[EventType, float]) -> Column:
    from pyspark.sql import functions as F

    column = F.lit(0.0)
    for event_type, weight in sorted(weights.items()):
        column = F.when(F.col(c.EVENT_TYPE) == event_type, F.lit(float(weight))).otherwise(column)
    return column


def _units(weight: Column, until: dt.datetime, half_life_days: float | None) -> Column:
    from pyspark.sql import functions as F

    if half_life_days is None:
        return F.round(weight * _UNIT).cast("bigint")
    micros = F.lit(round(until.timestamp() * 1_000_000)) - F.unix_micros(c.EVENT_TIME)
    rate = math.log(2) / (half_life_days * _DAY_MICROS)
    return F.round(weight * F.exp(-F.lit(rate) * micros) * _UNIT).cast("bigint")
