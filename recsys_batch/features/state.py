"""What is remembered of the events before a day, so that a day's run reads only what is new.

A state is a set of sums, earliest and latest times by user, item, region, event type and consent.
States of disjoint events merge into the state of their union, whatever the order: sums are sums of
integers. So a day's state is the merger of an earlier day's and of the events since, and equals,
bit for bit, the state made of all events at once.

An event counts 2^-(age / half-life), age in whole days from its UTC day to the instant looked back
from. Sums hold 2^(20 + (day - epoch) / half-life) an event, rounded; the epoch lies at most twelve
half-lives before the instant, so that neither the newest events overflow nor recent ones vanish.
When the epoch moves on, states are made anew from the events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.config import EventType

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_BITS = 20
_SPAN = 12  # half-lives
_START = dt.date(1970, 1, 1)
_KEYS = (c.USER_KEY, c.ITEM_ID, c.REGION, c.EVENT_TYPE, c.CONSENT)
_SUMS = (c.EVENTS, c.FIRST_TIME, c.LAST_TIME, c.UNITS, c.POPULAR_UNITS)
_NAMES = (*_KEYS, *_SUMS)
PAST = "past_"
_IN_PAST = "_in_past"
_FACTS = (c.TITLE, c.CATEGORY, c.PRICE)


@dataclass(frozen=True)
class Decay:
    """A half-life and the day from which its sums are counted.

    Attributes
    ----------
    half_life_days
        None: events do not age.
    epoch
        Days from 1970-01-01.
    """

    half_life_days: float | None
    epoch: int

    @classmethod
    def before(cls, until: dt.date, half_life_days: float | None) -> Decay:
        """The decay whose epoch serves runs that look back from `until`."""
        if half_life_days is None:
            return cls(None, 0)
        span = max(1, int(_SPAN * half_life_days))
        return cls(half_life_days, (until - _START).days // span * span)

    def units(self) -> Column:
        """What an event counts, as an integer."""
        from pyspark.sql import functions as F

        if self.half_life_days is None:
            return F.lit(2**_BITS).cast("bigint")
        age = F.unix_date(c.EVENT_DATE) - F.lit(self.epoch)
        grown = F.pow(F.lit(2.0), age / F.lit(float(self.half_life_days)))
        return F.round(grown * float(2**_BITS)).cast("bigint")

    def weight(self, until: dt.date) -> float:
        """What a unit is worth to a run that looks back from `until`."""
        if self.half_life_days is None:
            return 2.0**-_BITS
        return float(2.0 ** -(_BITS + ((until - _START).days - self.epoch) / self.half_life_days))


@dataclass(frozen=True)
class Clock:
    """The two decays of a run: of interactions and of popularity."""

    interest: Decay
    popularity: Decay

    @classmethod
    def of(cls, until: dt.date, *, interest: float | None, popularity: float | None) -> Clock:
        """The clock of a run that looks back from `until`, with its half-lives in days."""
        return cls(Decay.before(until, interest), Decay.before(until, popularity))


def fold(events: DataFrame, clock: Clock) -> DataFrame:
    """The state of events: user_key, item_id, region, event_type, consent and what they add up to.

    Returns
    -------
    DataFrame
        The keys, events, first_time, last_time, units and popular_units.
    """
    from pyspark.sql import functions as F

    return events.groupBy(*_KEYS).agg(
        F.count(F.lit(1)).alias(c.EVENTS),
        F.min(c.EVENT_TIME).alias(c.FIRST_TIME),
        F.max(c.EVENT_TIME).alias(c.LAST_TIME),
        F.sum(clock.interest.units()).alias(c.UNITS),
        F.sum(clock.popularity.units()).alias(c.POPULAR_UNITS),
    )


def merged(*states: DataFrame) -> DataFrame:
    """The state of the union of disjoint events."""
    return union(*(each.select(*_NAMES) for each in states)).groupBy(*_KEYS).agg(*_sums())


def past_and_whole(past: DataFrame, held: DataFrame) -> DataFrame:
    """The state of the past and of what was held out, beside that of the past alone.

    Parameters
    ----------
    past
        States of disjoint events, one under another.
    held
        The state of other events.

    Returns
    -------
    DataFrame
        Cached: the keys, the sums of both, and those of the past (`PAST` before their names), null
        where it knows nothing of a key. A user's rows lie together, so that they are not shuffled
        again by user, nor by user and item.
    """
    from pyspark.sql import functions as F

    marked = union(
        *(
            each.select(*_NAMES).withColumn(_IN_PAST, F.lit(in_past))
            for each, in_past in ((past, True), (held, False))
        )
    )
    return (
        marked.repartition(c.USER_KEY)
        .groupBy(*_KEYS)
        .agg(*_sums(), *_sums(of=F.col(_IN_PAST), prefix=PAST))
        .persist()
    )


def _sums(*, of: Column | None = None, prefix: str = "") -> list[Column]:
    """Aggregates that add states up; of some rows alone null where there are none."""
    from pyspark.sql import functions as F

    how = {c.FIRST_TIME: F.min, c.LAST_TIME: F.max}
    return [
        how.get(name, F.sum)(F.col(name) if of is None else F.when(of, F.col(name))).alias(
            prefix + name
        )
        for name in _SUMS
    ]


def union(one: DataFrame, *others: DataFrame) -> DataFrame:
    """The rows of frames with the same columns, in any order of these."""
    return reduce(lambda left, right: left.unionByName(right), others, one)


def fold_facts(events: DataFrame) -> DataFrame:
    """The latest title, category and price that events state of an item; ties go by event id.

    Returns
    -------
    DataFrame
        item_id, field, stated (text), event_time, event_id.
    """
    from pyspark.sql import functions as F

    stated = F.array(
        *(
            F.struct(F.lit(n).alias("field"), F.col(n).cast("string").alias(c.STATED))
            for n in _FACTS
        )
    )
    rows = events.select(
        c.ITEM_ID,
        c.EVENT_TIME,
        c.EVENT_ID,
        F.inline(F.filter(stated, lambda f: f.stated.isNotNull())),
    )
    return _latest(rows)


def merged_facts(*facts: DataFrame) -> DataFrame:
    """The latest facts of several."""
    return _latest(union(*facts))


def _latest(rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    order = F.struct(c.EVENT_TIME, c.EVENT_ID, c.STATED)
    return (
        rows.groupBy(c.ITEM_ID, "field")
        .agg(F.max(order).alias("latest"))
        .select(
            c.ITEM_ID,
            "field",
            f"latest.{c.STATED}",
            f"latest.{c.EVENT_TIME}",
            f"latest.{c.EVENT_ID}",
        )
    )


def weighed(weights: Mapping[EventType, float], units: Column) -> Column:
    """Aggregate: the sum over types of weight times units, in a fixed order of terms."""
    from pyspark.sql import functions as F

    total = F.lit(0.0)
    for kind, weight in sorted(weights.items()):
        of_type = F.sum(F.when(F.col(c.EVENT_TYPE) == kind, units).otherwise(F.lit(0)))
        total = total + F.lit(float(weight)) * of_type.cast("double")
    return total


def with_numbers(rows: DataFrame, numbers: Mapping[str, float]) -> DataFrame:
    """Add columns that hold one number each, of which the code that Spark generates tells nothing.

    A literal is a part of that code, so that one of another day makes the JVM compile it anew,
    which costs a session that lives through many days more than to run it.
    """
    import pyarrow as pa
    from pyspark.sql import functions as F

    row = pa.table({name: [number] for name, number in numbers.items()})
    return rows.crossJoin(F.broadcast(rows.sparkSession.createDataFrame(row)))
