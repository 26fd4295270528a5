"""Has a log changed since it was last searched? Then it is searched anew before its time.

The week before the search is held against every later week, by what was done, where, on what and
to which category, with the population stability index (Siddiqi, Credit Risk Scorecards, 2006).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.config import Settings
from recsys_batch.features.inputs import Inputs
from recsys_batch.lake.store import Lake
from recsys_batch.tuning.recipes import looked_until

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FACETS = (c.EVENT_TYPE, c.REGION, c.DEVICE, c.SURFACE, c.CATEGORY)
_WINDOW = dt.timedelta(days=7)
_DAY = dt.timedelta(days=1)
_RARE = 0.02  # share of a window below which a value is counted with the other rare ones
_LEAST = 500  # events a window: of fewer, chance alone moves the index
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """A change of a log.

    Attributes
    ----------
    day
        The first day behind the week in which it shows.
    facet
        The column whose values are distributed otherwise.
    index
        The population stability index: 0.1 to 0.2 is a moderate change, more a large one.
    """

    day: dt.date
    facet: str
    index: float


def stability_index(before: Counts, after: Counts) -> float:
    """The population stability index of two histograms over the same bins.

    Sum of (q - p) ln(q / p) over shares p and q, of counts that are raised by a half, so that
    empty bins are finite. Bins that are rare in both are counted as one.
    """
    common = (before >= _RARE * before.sum()) | (after >= _RARE * after.sum())
    shares = []
    for counts in (before, after):
        pooled = np.append(counts[common], counts[~common].sum()) + 0.5
        shares.append(pooled / pooled.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def day_counts(events: DataFrame, catalogue: DataFrame) -> DataFrame:
    """Events a day and value of every facet; the category is the event's, else the catalogue's."""
    from pyspark.sql import functions as F

    stated = catalogue.groupBy(c.ITEM_ID).agg(F.max(c.CATEGORY).alias("stated"))
    known = events.join(stated, c.ITEM_ID, how="left").withColumn(
        c.CATEGORY, F.coalesce(c.CATEGORY, "stated")
    )
    return known.groupBy(c.EVENT_DATE, *FACETS).agg(F.count(F.lit(1)).alias(c.EVENTS))


def first_drift(counts: pa.Table, since: dt.date, until: dt.date, *, limit: float) -> Drift | None:
    """The first week up to `until` that differs from the week before `since` by more than `limit`.

    Parameters
    ----------
    counts
        From `day_counts`: event_date, the facets, events.
    """
    days = np.asarray(counts[c.EVENT_DATE].cast(pa.int32()).to_numpy())
    events = counts[c.EVENTS].to_numpy().astype(np.int64)
    facets = {name: _codes(counts[name]) for name in FACETS}

    def window(codes: npt.NDArray[np.int64], end: dt.date) -> Counts:
        last = (end - dt.date(1970, 1, 1)).days
        within = (days < last) & (days >= last - _WINDOW.days)
        return np.bincount(
            codes[within], weights=events[within], minlength=codes.max(initial=0) + 1
        ).astype(np.int64)

    for day in _days(since + _DAY, until):
        for name, codes in facets.items():
            before, after = window(codes, since), window(codes, day)
            if min(before.sum(), after.sum()) < _LEAST:
                continue
            index = stability_index(before, after)
            if index > limit:
                return Drift(day, name, index)
    return None


def searched_until(
    lake: Lake, settings: Settings, first: dt.date, cutoff: dt.date, *, horizon: int
) -> tuple[dt.date, str | None]:
    """The first day that a search does not look at, and the change of the log that made it so.

    Parameters
    ----------
    first
        The log's first day.
    cutoff
        The first day of the hold-out.
    horizon
        The last batch that counts.
    """
    until = looked_until(first, cutoff, every_days=settings.tuning.every_days)
    limit = settings.tuning.max_drift
    if limit is None or settings.model.weights is not None:  # then nothing is searched for
        return until, None
    seen = Inputs.before(lake, cutoff, horizon=horizon)
    until, drift = drifted_until(seen, until, cutoff, limit=limit)
    if drift is None:
        return until, None
    return until, (
        f"the log has changed by {drift.day}: {drift.facet} has a stability index of "
        f"{drift.index:.2f}, over {limit:g}"
    )


def drifted_until(
    seen: Inputs, since: dt.date, cutoff: dt.date, *, limit: float
) -> tuple[dt.date, Drift | None]:
    """The day up to which a search looks, where the log has changed after `since`.

    It depends on the log alone: after a change the log is held against the week before that, and so
    on up to `cutoff`.

    Returns
    -------
    until
        `since`, or the day of the latest change.
    drift
        That change, if there was one.
    """
    if since >= cutoff:
        return since, None
    from pyspark.sql import functions as F

    recent = seen.events.where(
        F.col(c.EVENT_DATE).between(F.lit(since - _WINDOW), F.lit(cutoff - _DAY))
    )
    counts = day_counts(recent, seen.items).toArrow()
    until, latest = since, None
    while (found := first_drift(counts, until, cutoff, limit=limit)) is not None:
        until, latest = found.day, found
    return until, latest


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Each value's number; null is a value."""
    coded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return np.asarray(coded.indices.to_numpy(), dtype=np.int64)


def _days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for number in range((last - first).days + 1):
        yield first + number * _DAY
