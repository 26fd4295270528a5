"""A run's impressions: which were acted on, and the same as arrays beside a `Log`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.config import EventType
from recsys_batch.models.training import coded
from recsys_batch.ranking.impressions import Impressions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

IMPRESSION: EventType = "impression"
CLICKED = "clicked"
_WINDOW_SECONDS = 1800  # within which an act without a request follows from what was shown
_KEYS = (c.USER_KEY, c.ITEM_ID, c.REQUEST_ID)


def shown_items(events: DataFrame, types: Sequence[EventType], *, most: int) -> DataFrame:
    """Impressions of known users at known positions, and whether they were acted on.

    An act of the same request, user, item and day is one on the impression: of another day, a cut
    between the two would tell what came after it. What was shown without a request is one with
    what was shown at the same instant, and was acted on where the user acted on the item within
    half an hour of the same day and saw it nowhere later before that.

    Parameters
    ----------
    types
        Types of events that are acts.
    most
        Of more impressions, those of a share of the users, by their keys, which are random.

    Returns
    -------
    DataFrame
        user_key, item_id, event_date, request_id, position, clicked; each slot once.
    """
    from pyspark.sql import functions as F

    slot = (*_KEYS, c.EVENT_DATE, c.POSITION)
    shown = (
        events.where(F.col(c.EVENT_TYPE) == IMPRESSION)
        .where(F.col(c.USER_KEY).isNotNull() & F.col(c.POSITION).isNotNull())
        .select(*slot, c.EVENT_TIME)
    )
    count = shown.count()
    if not count:  # nothing to join
        return shown.select(*slot, F.lit(False).alias(CLICKED))
    if count > most:
        shown = shown.where(F.substring(c.USER_KEY, 1, 8) < head_below(most / count))
    acts = events.where(F.col(c.EVENT_TYPE).isin(list(types)) & F.col(c.USER_KEY).isNotNull())
    named = acts.select(*_KEYS, c.EVENT_DATE, F.lit(True).alias(CLICKED)).distinct()
    of_request = shown.where(F.col(c.REQUEST_ID).isNotNull()).join(
        named, [*_KEYS, c.EVENT_DATE], how="left"
    )
    unnamed = shown.where(F.col(c.REQUEST_ID).isNull())
    followed = _followed(unnamed, acts).withColumn(CLICKED, F.lit(True))
    together = F.concat_ws(" ", c.USER_KEY, F.unix_micros(c.EVENT_TIME))
    of_moment = unnamed.join(
        followed, [c.USER_KEY, c.ITEM_ID, c.EVENT_TIME], how="left"
    ).withColumn(c.REQUEST_ID, together)
    return (
        of_request.unionByName(of_moment)
        .groupBy(*slot)
        .agg(F.coalesce(F.bool_or(CLICKED), F.lit(False)).alias(CLICKED))
    )


def head_below(share: float) -> str:
    """What the first eight digits of a share of the keys stand below."""
    return f"{int(share * 0xFFFFFFFF):08x}"


def _followed(shown: DataFrame, acts: DataFrame) -> DataFrame:
    """The impressions that an act followed: of each act the latest within the window."""
    from pyspark.sql import functions as F

    same = [c.USER_KEY, c.ITEM_ID, c.EVENT_DATE]
    act = acts.select(*same, c.EVENT_ID, F.col(c.EVENT_TIME).alias("at"))
    wait = F.unix_micros("at") - F.unix_micros(c.EVENT_TIME)
    return (
        shown.select(*same, c.EVENT_TIME)
        .join(act, same, how="inner")
        .where((wait >= 0) & (wait <= _WINDOW_SECONDS * 1_000_000))
        .groupBy(c.USER_KEY, c.ITEM_ID, c.EVENT_ID)
        .agg(F.max(c.EVENT_TIME).alias(c.EVENT_TIME))
        .select(c.USER_KEY, c.ITEM_ID, c.EVENT_TIME)
        .distinct()
    )


def impressions_of(shown: pa.Table, keys: pa.Array, ids: pa.Array) -> Impressions:
    """Index what `shown_items` gave; equal rows in any order give equal bits.

    Parameters
    ----------
    keys, ids
        User keys and item ids, ascending: their places are the rows. Impressions of others are
        left out.
    """
    requests = pc.unique(shown[c.REQUEST_ID].combine_chunks())
    columns = (
        coded(shown[c.USER_KEY], keys),
        coded(shown[c.ITEM_ID], ids),
        shown[c.EVENT_DATE].cast(pa.int32()).to_numpy(),
        coded(shown[c.REQUEST_ID], requests.take(pc.sort_indices(requests))),
        shown[c.POSITION].cast(pa.int32()).to_numpy(),
    )
    clicked = shown[CLICKED].to_numpy().astype(np.bool_)
    users, items, days, codes, positions = columns
    order = np.lexsort((clicked, users, items, positions, codes, days))
    found = Impressions(users, items, days, codes, positions, clicked).of(order)
    return found.of((found.users >= 0) & (found.items >= 0))
