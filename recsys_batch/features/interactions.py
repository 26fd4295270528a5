"""Weighted, time-decayed interactions and popularity, from the state of a run's events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventType
from recsys_batch.features.parts import Part, by_part
from recsys_batch.features.state import Decay, weighed, with_numbers

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_PLACE, _UNIT = "_place", "_unit"


def interactions(
    state: DataFrame,
    parts: Sequence[Part],
    *,
    decay: Decay,
    weights: Mapping[EventType, float],
    seen_types: Sequence[str],
    recent: Mapping[str, DataFrame] | None = None,
) -> DataFrame:
    """One row a part, user and item that the user acted on.

    A pair whose net weight is not positive (a purchase and its cancellation, or a purchase before
    the window) is kept with weight zero if it is seen, and left out otherwise.

    Parameters
    ----------
    state
        What may train (`recsys_batch.features.consent.consented`), with the sums of all parts.
    recent
        Of each part the state of the events in its window, where there is one: these alone weigh.

    Returns
    -------
    DataFrame
        part, user_key, item_id, weight, events, event_type, last_time, seen.
    """
    from pyspark.sql import functions as F

    pair = [c.USER_KEY, c.ITEM_ID]
    telling = [kind for kind, weight in weights.items() if weight != 0]
    known = state.where(
        F.col(c.USER_KEY).isNotNull() & F.col(c.EVENT_TYPE).isin([*telling, *seen_types])
    )
    ranked = sorted({*telling, *seen_types}, key=lambda kind: (weights.get(kind, 0.0), kind))
    was_seen = F.col(c.EVENT_TYPE).isin(list(seen_types))

    def sums(part: Part) -> list[Column]:
        within = part.of(c.EVENTS).isNotNull()
        made = {
            c.WEIGHT: weighed(weights, part.of(c.UNITS)),
            c.EVENTS: F.sum(part.of(c.EVENTS)),
            _PLACE: F.max(F.when(within, _place_of(ranked))),
            c.LAST_TIME: F.max(part.of(c.LAST_TIME)),
            c.SEEN: F.bool_or(within & was_seen),
        }
        return [column.alias(part.prefix + name) for name, column in made.items()]

    pairs = known.groupBy(*pair).agg(*(each for part in parts for each in sums(part)))
    windows = recent or {}
    for part in (part for part in parts if part.name in windows):
        total = weighed(weights, F.col(c.UNITS)).alias(part.prefix + c.WEIGHT)
        recent_pairs = windows[part.name].groupBy(*pair).agg(total)
        pairs = pairs.drop(part.prefix + c.WEIGHT).join(recent_pairs, pair, how="left")
    units = {part.prefix + _UNIT: decay.weight(part.weighed_from) for part in parts}
    pairs = with_numbers(pairs, units).withColumns(
        {
            part.prefix + c.WEIGHT: F.greatest(part.of(c.WEIGHT) * part.of(_UNIT), F.lit(0.0))
            for part in parts
        }
    )
    names = F.array(*(F.lit(kind) for kind in ranked))
    return (
        by_part(pairs, parts, pair, c.WEIGHT, c.EVENTS, _PLACE, c.LAST_TIME, c.SEEN)
        .where(F.col(c.EVENTS).isNotNull() & ((F.col(c.WEIGHT) > 0) | F.col(c.SEEN)))
        .select(
            *(c.PART, *pair, c.WEIGHT, c.EVENTS),
            F.element_at(names, F.col(_PLACE)).alias(c.EVENT_TYPE),
            *(c.LAST_TIME, c.SEEN),
        )
    )


def popularity(
    state: DataFrame, parts: Sequence[Part], *, decay: Decay, weights: Mapping[EventType, float]
) -> DataFrame:
    """Of each part the decayed weight of each item over all (segment null) and over each region.

    Anonymous events count: who acted does not matter here.

    Returns
    -------
    DataFrame
        part, segment, item_id, score > 0.
    """
    from pyspark.sql import functions as F

    segments = F.array_distinct(F.array(F.lit(None).cast("string"), F.col(c.REGION)))
    units = [part.prefix + c.POPULAR_UNITS for part in parts]
    by_region = (
        state.where(F.col(c.EVENT_TYPE).isin(list(weights)))
        .groupBy(c.ITEM_ID, c.REGION, c.EVENT_TYPE)
        .agg(*(F.sum(name).alias(name) for name in units))
    )
    scores = (
        by_region.select(F.explode(segments).alias(c.SEGMENT), c.ITEM_ID, c.EVENT_TYPE, *units)
        .groupBy(c.SEGMENT, c.ITEM_ID)
        .agg(
            *(
                weighed(weights, part.of(c.POPULAR_UNITS)).alias(part.prefix + c.SCORE)
                for part in parts
            )
        )
    )
    worth = {part.prefix + _UNIT: decay.weight(part.until.date()) for part in parts}
    scores = with_numbers(scores, worth).withColumns(
        {part.prefix + c.SCORE: part.of(c.SCORE) * part.of(_UNIT) for part in parts}
    )
    return by_part(scores, parts, [c.SEGMENT, c.ITEM_ID], c.SCORE).where(F.col(c.SCORE) > 0)


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
