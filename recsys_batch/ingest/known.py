"""What of a table the lines of a batch may repeat: the event days where their ids may lie.

A digest of an event's content holds its time, so only the batch's own days can have it. An id that
the source gave may come again with any time: an index of hashed ids names the other days where it
may have been seen. Whether it was is then told by comparing the ids of those days themselves, so
what is found is exact, and other days are not opened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_batch import columns as c
from recsys_batch.lake.hash_index import HashIndex
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

_EPOCH = dt.date(1970, 1, 1)


def event_days(
    lake: Lake, good: DataFrame, done: Iterable[Mapping[str, Any]], *, given_ids: bool
) -> frozenset[dt.date]:
    """Days of the table of events where an id of these lines may lie.

    Parameters
    ----------
    good
        Lines that may be accepted: event_id and event_date.
    done
        Rows of the ledger of complete batches, of which alone the lake holds events.
    given_ids
        Whether the source may have given ids; otherwise all of them are digests.
    """
    from pyspark.sql import functions as F

    if not given_ids:
        days = good.select(F.unix_date(c.EVENT_DATE)).distinct()
    else:
        index = caught_up(lake, done)

        def days_seen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            for batch in batches:
                hashes, own = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
                days = np.union1d(own, index.days_of(hashes)).astype(np.int32)
                yield pa.RecordBatch.from_arrays([pa.array(days, pa.int32())], ["day"])

        places = good.select(*_place())
        days = places.mapInArrow(days_seen, "day INT").distinct()
    return frozenset(_EPOCH + dt.timedelta(days=row[0]) for row in days.collect())


def caught_up(lake: Lake, done: Iterable[Mapping[str, Any]]) -> HashIndex:
    """The index of the ids of all complete batches, those that are new to it added."""
    index = HashIndex(
        lake.home / "index" / "event_ids", {row[c.BATCH_SEQ]: row[c.BATCH_ID] for row in done}
    )
    covered = index.covered()
    if lake.holds("events", after=covered):
        rows = lake.read("events", after=covered).select(*_place()).toArrow()
        hashes, days = (column.to_numpy() for column in rows.columns)
        index.add(max(index.batches), hashes, days)
    return index


def _place() -> tuple[Column, Column]:
    from pyspark.sql import functions as F

    return F.xxhash64(c.EVENT_ID).alias("hash"), F.unix_date(c.EVENT_DATE).alias("day")
