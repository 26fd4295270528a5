"""A publication's lists as the entries of its edge store, in key order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.edge.bodies import (
    Item,
    encode_body,
    segment_entry,
    user_entry,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ENTRY = "key STRING, body BINARY"


def store_entries(
    users: DataFrame, segments: DataFrame, *, publication_id: str, as_of: str
) -> Iterator[tuple[str, bytes]]:
    """Serialise lists in Spark and stream them, keys ascending by their UTF-8 bytes.

    Parameters
    ----------
    users
        user_key, items; sorted by user_key.
    segments
        level, segment, items; few enough for the driver.
    """
    from pyspark.sql import functions as F

    # What explains a score to analysts is not served.
    untold = ("parts", "propensity", "probability")
    served = F.transform(c.ITEMS, lambda item: item.dropFields(*untold)).alias(c.ITEMS)
    # c: < g: < r: < u:, so that the segments come first.
    fallback = []
    for row in segments.select(c.LEVEL, c.SEGMENT, served).collect():
        key = segment_entry(row[c.LEVEL], row[c.SEGMENT])
        listed = [Item(**item.asDict()) for item in row[c.ITEMS]]
        body = encode_body(
            publication_id=publication_id, as_of=as_of, level=row[c.LEVEL], items=listed
        )
        fallback.append((key, body))
    yield from sorted(fallback, key=lambda entry: entry[0].encode())

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = [user_entry(key) for key in batch.column(c.USER_KEY).to_pylist()]
            bodies = [
                encode_body(
                    publication_id=publication_id,
                    as_of=as_of,
                    level="user",
                    items=[Item(**item) for item in items],
                )
                for items in batch.column(c.ITEMS).to_pylist()
            ]
            yield pa.RecordBatch.from_arrays(
                [pa.array(keys, pa.string()), pa.array(bodies, pa.binary())], ["key", "body"]
            )

    encoded = users.select(c.USER_KEY, served).mapInArrow(encode, _ENTRY)
    for row in encoded.toLocalIterator(prefetchPartitions=True):
        yield row["key"], bytes(row["body"])
