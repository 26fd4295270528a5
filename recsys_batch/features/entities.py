"""Users and items as they were known at an instant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventType
from recsys_batch.features.parts import Part, by_part
from recsys_batch.features.state import union
from recsys_batch.features.versions import held_before

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_AT, _ACTED, _EVENT_REGION, _PROFILE = "at", "_acted", "event_region", "_profile"
_ACTION = (c.ITEM_ID, c.EVENT_TYPE, _AT)
_MICROSECOND = dt.timedelta(microseconds=1)  # Spark's times are whole ones
# Ages from which laws and shops show things. Rules need no more, so that is all that they are told.
AGES = (0, 3, 6, 12, 13, 14, 15, 16, 17, 18, 21)


def users(
    state: DataFrame,
    profiles: DataFrame,
    parts: Sequence[Part],
    *,
    acts: Sequence[EventType],
    sequence_length: int,
) -> DataFrame:
    """One row a part and user.

    The region is the latest that an event named, of several the last by name, else the profile's;
    the cohort is the profile's; of the year of birth is told which of `AGES` the user has reached
    for certain. The sequence of last actions is latest first, of one instant the
    last by item; what a user did to an item in the same way and region again and again is in it
    once, at its latest time.

    Parameters
    ----------
    state
        Of the events that may train (`recsys_batch.features.consent.consented`), of users who get
        lists, with the sums of all parts.
    profiles
        From `profile_versions`.
    parts
        The first is of all events that the state has, the others of those up to an earlier time.
    acts
        Event types that are actions; the others were done to the user.
    sequence_length
        The most actions kept.

    Returns
    -------
    DataFrame
        part, user_key, region, cohort, least_age, events, first_time, last_time, actions.
    """
    from pyspark.sql import functions as F

    whole, *earlier = parts
    told = (c.EVENTS, c.FIRST_TIME, c.LAST_TIME)
    times = {part: part.prefix + _AT for part in parts}

    def aggregates(part: Part) -> list[Column]:
        last = part.of(c.LAST_TIME)
        named = F.when(last.isNotNull() & F.col(c.REGION).isNotNull(), F.struct(last, c.REGION))
        made = {
            _EVENT_REGION: F.max_by(c.REGION, named),
            c.EVENTS: F.sum(part.of(c.EVENTS)),
            c.FIRST_TIME: F.min(part.of(c.FIRST_TIME)),
            c.LAST_TIME: F.max(last),
        }
        return [column.alias(part.prefix + name) for name, column in made.items()]

    def last_acts(acted: Column) -> Column:
        return F.slice(F.sort_array(acted, asc=False), 1, sequence_length)

    def own_acts(part: Part) -> Column:
        """The last acts up to a part's end; the same as all where a user did nothing since."""
        at = times[part]
        own = F.transform(
            F.filter(_ACTED, lambda act: act[at].isNotNull()),
            lambda act: F.struct(act[at].alias(_AT), *(act[name].alias(name) for name in same)),
        )
        idle = part.of(c.EVENTS) == whole.of(c.EVENTS)
        return F.when(idle, whole.of(c.ACTIONS)).otherwise(last_acts(own))

    same = (c.ITEM_ID, c.EVENT_TYPE, c.REGION, *(times[part] for part in earlier))
    act = F.struct(
        whole.of(c.LAST_TIME).alias(_AT),
        *(c.ITEM_ID, c.EVENT_TYPE, c.REGION),
        *(part.of(c.LAST_TIME).alias(times[part]) for part in earlier),
    )
    # Acts are gathered once: to do so for each part would take as long as all the rest.
    seen = (
        state.where(F.col(c.USER_KEY).isNotNull())
        .groupBy(c.USER_KEY)
        .agg(
            *(column for part in parts for column in aggregates(part)),
            F.collect_list(F.when(F.col(c.EVENT_TYPE).isin(*acts), act)).alias(_ACTED),
        )
        .withColumn(whole.prefix + c.ACTIONS, last_acts(F.col(_ACTED)))
        .withColumns({part.prefix + c.ACTIONS: own_acts(part) for part in earlier})
    )
    for part in parts:
        profile = held_before(profiles, part.until).select(
            c.USER_KEY,
            F.struct(c.REGION, c.COHORT, _least_age(part).alias(c.LEAST_AGE)).alias(
                part.prefix + _PROFILE
            ),
        )
        seen = seen.join(profile, c.USER_KEY, how="left")
    # In the order of the table; a function of each action would be interpreted.
    actions = F.arrays_zip(*(F.col(f"{c.ACTIONS}.{name}") for name in _ACTION))
    return (
        by_part(seen, parts, [c.USER_KEY], _EVENT_REGION, *told, c.ACTIONS, _PROFILE)
        .where(F.col(c.EVENTS).isNotNull())
        .select(
            *(c.PART, c.USER_KEY),
            F.coalesce(_EVENT_REGION, f"{_PROFILE}.{c.REGION}").alias(c.REGION),
            *(f"{_PROFILE}.{name}" for name in (c.COHORT, c.LEAST_AGE)),
            *told,
            actions.alias(c.ACTIONS),
        )
    )


def _least_age(part: Part) -> Column:
    """The greatest of `AGES` that is reached even by who was born as the year ended."""
    from pyspark.sql import functions as F

    years = F.lit((part.until - _MICROSECOND).year - 1) - F.col(c.BIRTH_YEAR)
    return F.array_max(F.filter(F.array(*map(F.lit, AGES)), lambda age: age <= years))


def items(
    state: DataFrame,
    facts: Mapping[str, DataFrame],
    catalogue: DataFrame,
    parts: Sequence[Part],
    *,
    blocked: Sequence[str],
) -> DataFrame:
    """One row a part and item with an event in any part or a catalogue row before the part ends.

    The catalogue wins over what events carry. What an item is called says nothing of who acted on
    it, so events without consent count here. Lists are made for what follows a part, so an item
    may be in one if it is known by then, if its window of availability begins before that and does
    not end by then, and if it is neither deleted nor blocked. Of an item that becomes known only
    later a part has the id, by which it counts as missed, and nothing else.

    Parameters
    ----------
    state
        Of all events, with the sums of all parts (`recsys_batch.features.state`).
    facts
        Of each part by name, what its events state.
    catalogue
        From `item_versions`.

    Returns
    -------
    DataFrame
        part, item_id, title, category, price, description, tags, first_time, last_time,
        recommendable.
    """
    from pyspark.sql import functions as F

    acted = state.groupBy(c.ITEM_ID).agg(
        *(
            how(part.of(name)).alias(part.prefix + name)
            for part in parts
            for how, name in ((F.min, c.FIRST_TIME), (F.max, c.LAST_TIME))
        )
    )

    def of(part: Part) -> DataFrame:
        from_events = acted.select(
            c.ITEM_ID,
            part.of(c.FIRST_TIME).alias("first_event"),
            part.of(c.LAST_TIME).alias(c.LAST_TIME),
        ).join(_told(facts[part.name]), c.ITEM_ID, how="left")
        begun = F.col(c.AVAILABLE_FROM).isNull() | (F.col(c.AVAILABLE_FROM) < F.lit(part.until))
        open_ = F.col(c.AVAILABLE_UNTIL).isNull() | (F.col(c.AVAILABLE_UNTIL) > F.lit(part.until))
        stated = held_before(catalogue, part.until).select(
            *(c.ITEM_ID, c.TITLE, c.CATEGORY, c.PRICE, c.DESCRIPTION, c.TAGS),
            F.col(c.FIRST_TIME).alias("first_stated"),
            (begun & open_ & ~F.col(c.DELETED)).alias("offered"),
        )
        offered = F.coalesce(F.col("offered"), F.col("first_event").isNotNull())
        return stated.join(from_events, c.ITEM_ID, how="full_outer").select(
            F.lit(part.name).alias(c.PART),
            c.ITEM_ID,
            F.coalesce(c.TITLE, "event_title").alias(c.TITLE),
            F.coalesce(c.CATEGORY, "event_category").alias(c.CATEGORY),
            F.coalesce(c.PRICE, "event_price").alias(c.PRICE),
            *(c.DESCRIPTION, c.TAGS),
            F.least("first_stated", "first_event").alias(c.FIRST_TIME),
            c.LAST_TIME,
            (offered & ~F.col(c.ITEM_ID).isin(list(blocked))).alias(c.RECOMMENDABLE),
        )

    return union(*map(of, parts))


def _told(facts: DataFrame) -> DataFrame:
    """What events state of each item: item_id, event_title, event_category, event_price."""
    from pyspark.sql import functions as F

    def fact(name: str) -> Column:
        return F.max(F.when(F.col("field") == name, F.col(c.STATED)))

    return facts.groupBy(c.ITEM_ID).agg(
        fact(c.TITLE).alias("event_title"),
        fact(c.CATEGORY).alias("event_category"),
        fact(c.PRICE).cast("double").alias("event_price"),
    )
