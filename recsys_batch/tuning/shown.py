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
_WINDOW_SECONDS = 1800  # within which an act without a request follows from what was shown
_KEYS = (c.USER_KEY, c.ITEM_ID, c.REQUEST_ID)


def shown_items(events: DataFrame, types: Sequence[EventType], *, most: int) -> pa.Table | None:
    """Impressions of known users at known positions, and whether they were acted on.

    Parameters
    ----------
    types
        Types of events that are acts.
    most
        Of more impressions, those of a share of the users, by their keys, which are random.

    Returns
    -------
    table
        As `acted_on` makes it; None where nothing was shown.
    """
    from pyspark.sql import functions as F

    shown = (F.col(c.EVENT_TYPE) == IMPRESSION) & F.col(c.POSITION).isNotNull()
    known = events.where(F.col(c.USER_KEY).isNotNull())
    count = known.where(shown).count()
    if not count:
        return None
    if count > most:
        known = known.where(F.substring(c.USER_KEY, 1, 8) < head_below(most / count))
    told = known.where(shown | F.col(c.EVENT_TYPE).isin(list(types))).select(
        *(*_KEYS, c.EVENT_DATE, c.EVENT_ID, c.EVENT_TYPE, c.POSITION),
        F.unix_micros(c.EVENT_TIME).alias(c.EVENT_TIME),
    )
    return acted_on(told.toArrow())


def acted_on(told: pa.Table) -> pa.Table:
    """Which of the impressions among events were acted on by the others.

    An act of the same request, user, item and day is one on the impression: of another day, a cut
    between the two would tell what came after it. What was shown without a request is one with
    what was shown at the same instant, and was acted on where the user acted on the item within
    half an hour of the same day and saw it nowhere later before that.

    Parameters
    ----------
    told
        user_key, item_id, request_id, event_date, event_id, event_type, position and event_time,
        in microseconds.

    Returns
    -------
    table
        user_key, item_id, event_date, request_id, position, clicked; each slot once.
    """
    import polars as pl

    events = pl.from_arrow(told)
    assert isinstance(events, pl.DataFrame)
    is_shown = pl.col(c.EVENT_TYPE) == IMPRESSION
    shown, acts = events.filter(is_shown), events.filter(~is_shown)
    clicked, asked = pl.lit(value=True).alias(c.CLICKED), pl.col(c.REQUEST_ID).is_not_null()
    request, pair = [*_KEYS, c.EVENT_DATE], [c.USER_KEY, c.ITEM_ID, c.EVENT_DATE]
    named = acts.filter(asked).select(request).unique().with_columns(clicked)
    of_request = shown.filter(asked).join(named, on=request, how="left")
    alone = shown.filter(~asked)
    wait = pl.col("at") - pl.col(c.EVENT_TIME)
    moment = [c.USER_KEY, c.ITEM_ID, c.EVENT_TIME]
    followed = (
        alone.select(*pair, c.EVENT_TIME)
        .join(acts.select(*pair, c.EVENT_ID, pl.col(c.EVENT_TIME).alias("at")), on=pair)
        .filter(wait.is_between(0, _WINDOW_SECONDS * 1_000_000))
        .group_by(c.USER_KEY, c.ITEM_ID, c.EVENT_ID)  # of each act the latest impression
        .agg(pl.col(c.EVENT_TIME).max())
        .select(moment)
        .unique()
        .with_columns(clicked)
    )
    together = pl.concat_str(c.USER_KEY, pl.col(c.EVENT_TIME).cast(pl.String), separator=" ")
    of_moment = alone.join(followed, on=moment, how="left").with_columns(
        together.alias(c.REQUEST_ID)
    )
    slots = (
        pl.concat([of_request, of_moment])
        .group_by(*request, c.POSITION)
        .agg(pl.col(c.CLICKED).fill_null(value=False).any())
    )
    found = slots.select(*pair, c.REQUEST_ID, c.POSITION, c.CLICKED).to_arrow()
    plain = [
        pa.field(each.name, pa.string() if pa.types.is_large_string(each.type) else each.type)
        for each in found.schema
    ]
    return found.cast(pa.schema(plain))


def head_below(share: float) -> str:
    """What the first eight digits of a share of the keys stand below."""
    return f"{int(share * 0xFFFFFFFF):08x}"


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
    clicked = shown[c.CLICKED].to_numpy().astype(np.bool_)
    users, items, days, codes, positions = columns
    order = np.lexsort((clicked, users, items, positions, codes, days))
    found = Impressions(users, items, days, codes, positions, clicked).of(order)
    return found.of((found.users >= 0) & (found.items >= 0))
