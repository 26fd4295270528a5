"""A publication's lists as the entries of its edge store, in key order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.edge.bodies import Item, encode_list, segment_entry, user_entry
from recsys_batch.edge.store import EdgeStore, ensure_store, store_folder
from recsys_batch.errors import EdgeError
from recsys_batch.lake.ledger import read_rows
from recsys_batch.publish.manifest import sealed_manifest
from recsys_batch.ranking.changes import UNCHANGED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ENTRY = "key STRING, value BINARY"


def write_store(
    home: Path, manifest: Mapping[str, Any], *, users: DataFrame, segments: DataFrame
) -> None:
    """Build the edge store of a sealed publication, unless it is there.

    Lists in which nothing has changed are taken from the store of the publication before; the
    result is the same without it, to the byte.

    Parameters
    ----------
    manifest
        The publication's.
    users, segments
        As in `store_entries`.
    """
    publication_id = manifest["publication_id"]
    with earlier_store(home, publication_id) as earlier:
        ensure_store(
            store_folder(home, publication_id),
            store_entries(users, segments, publication_id=publication_id, earlier=earlier),
            as_of=manifest["as_of"],
            details={"digests": manifest["digests"]},
        )


@contextmanager
def earlier_store(home: Path, publication_id: str) -> Iterator[EdgeStore | None]:
    """The store of the publication that a run's unchanged lists are those of; None: it has none."""
    rows = read_rows(home, "list_changes", run_id=publication_id, reason=UNCHANGED)
    built_on = rows[0]["built_on"] if rows else None
    sealed = None if built_on is None else sealed_manifest(home, built_on)
    if built_on is None or sealed is None:
        yield None
        return
    try:
        store = EdgeStore(store_folder(home, built_on))
    except EdgeError:  # collected, or damaged: all lists are at hand
        yield None
        return
    with store:
        yield store if store.manifest["details"]["digests"] == sealed["digests"] else None


def store_entries(
    users: DataFrame,
    segments: DataFrame,
    *,
    publication_id: str,
    earlier: EdgeStore | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Serialise lists in Spark and stream them, keys ascending by their UTF-8 bytes.

    Parameters
    ----------
    users
        user_key, items, ranked_in; sorted by user_key.
    segments
        level, segment, items; few enough for the driver.
    publication_id
        The publication of the lists.
    earlier
        The store of the publication that lists ranked in an earlier run were taken over from: so
        are their entries, which are not serialised again. None: all are.

    Raises
    ------
    EdgeError
        `earlier` lacks a list that was taken over.
    """
    from pyspark.sql import functions as F

    # What explains a score to analysts is not served.
    untold = ("parts", "propensity", "probability")
    served = F.transform(c.ITEMS, lambda item: item.dropFields(*untold))
    # c: < g: < r: < u:, so that the segments come first.
    fallback = []
    for row in segments.select(c.LEVEL, c.SEGMENT, served.alias(c.ITEMS)).collect():
        key = segment_entry(row[c.LEVEL], row[c.SEGMENT])
        listed = [Item(**item.asDict()) for item in row[c.ITEMS]]
        where = f"the {row[c.LEVEL]} list {key!r} of {publication_id}"
        fallback.append((key, encode_list(listed, where=where)))
    yield from sorted(fallback, key=lambda entry: entry[0].encode())

    def value(items: list[dict[str, Any]] | None) -> bytes | None:
        if items is None:
            return None
        return encode_list((Item(**item) for item in items), where=f"a list of {publication_id}")

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = [user_entry(key) for key in batch.column(c.USER_KEY).to_pylist()]
            values = [value(items) for items in batch.column(c.ITEMS).to_pylist()]
            yield pa.RecordBatch.from_arrays(
                [pa.array(keys, pa.string()), pa.array(values, pa.binary())], ["key", "value"]
            )

    if earlier is not None:
        served = F.when(F.col(c.RANKED_IN) == publication_id, served)
    encoded = users.select(c.USER_KEY, served.alias(c.ITEMS)).mapInArrow(encode, _ENTRY)
    for row in encoded.toLocalIterator(prefetchPartitions=True):
        made = row["value"]
        yield row["key"], bytes(made) if made is not None else _taken(earlier, row["key"])


def _taken(earlier: EdgeStore | None, key: str) -> bytes:
    """The value of a list that was taken over."""
    found = None if earlier is None else earlier.get(key)
    if found is None:
        raise EdgeError(
            "a list that was taken over is not in the store that it was taken from",
            where="no earlier store" if earlier is None else earlier.publication_id,
            fix="remove that store and export this publication again",
        )
    return found
