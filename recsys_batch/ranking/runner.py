"""Ranking on Spark: items are broadcast once, users stream through `mapInArrow` in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.ranking.blocks import SOURCES, RankedBlock, rank_block
from recsys_batch.ranking.catalog import Catalog
from recsys_batch.ranking.inputs import HISTORY
from recsys_batch.ranking.reasons import list_reasons, unit_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LIST = f"""{c.USER_KEY} STRING, {c.REGION} STRING,
{c.ITEMS} ARRAY<STRUCT<item_id: STRING, score: FLOAT, source: STRING, reason: STRING>>"""
_ITEM = pa.struct(
    [
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("reason", pa.string()),
    ]
)


def rank_users(
    users: DataFrame, catalog: Catalog, *, n: int, exclude_seen: bool, with_reasons: bool = True
) -> DataFrame:
    """Rank items for every user of `ranking_input`: user_key, region, items.

    Tasks are pure, so that a retried or speculative one does no harm.
    """
    shared = users.sparkSession.sparkContext.broadcast(catalog)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from threadpoolctl import threadpool_limits

        known = shared.value
        directions = unit_rows(known.factors) if with_reasons else known.factors
        with threadpool_limits(limits=1):
            for batch in batches:
                if batch.num_rows:
                    yield _rank_batch(
                        batch,
                        known,
                        directions,
                        n=n,
                        exclude_seen=exclude_seen,
                        with_reasons=with_reasons,
                    )

    return users.mapInArrow(run, _LIST)


def _rank_batch(
    batch: pa.RecordBatch,
    catalog: Catalog,
    directions: np.ndarray,
    *,
    n: int,
    exclude_seen: bool,
    with_reasons: bool,
) -> pa.RecordBatch:
    users = batch.num_rows
    factors = batch.column(c.FACTORS)
    known = pc.is_valid(factors).to_numpy(zero_copy_only=False)
    vectors = np.zeros((users, catalog.factors.shape[1]), dtype=np.float32)
    if known.any():
        flat = pc.list_flatten(factors).to_numpy(zero_copy_only=False)
        vectors[known] = flat.astype(np.float32, copy=False).reshape(known.sum(), -1)
    owners, rows, positive, types, seen = _history(batch.column(HISTORY), catalog)
    out = seen if exclude_seen else np.zeros(len(seen), dtype=bool)
    exclude = sparse.csr_matrix(
        (np.ones(out.sum(), dtype=np.int8), (owners[out], rows[out])),
        shape=(users, len(catalog.ids)),
    )
    regions = batch.column(c.REGION).to_pylist()
    block = rank_block(catalog, vectors=vectors, known=known, regions=regions, exclude=exclude, n=n)
    reasons: list[str | None] | None = None
    if with_reasons:
        usable = positive & catalog.modelled[rows]
        starts = np.searchsorted(owners[usable], np.arange(users + 1))
        rows, kinds = rows[usable], [types[place] for place in np.flatnonzero(usable)]
        reasons = [
            reason
            for user in range(users)
            for reason in list_reasons(
                catalog,
                block,
                user,
                directions=directions,
                history=rows[starts[user] : starts[user + 1]],
                types=kinds[starts[user] : starts[user + 1]],
                region=regions[user],
            )
        ]
    lists = list_column(catalog, block, reasons)
    return pa.RecordBatch.from_arrays(
        [batch.column(c.USER_KEY), batch.column(c.REGION), lists],
        names=[c.USER_KEY, c.REGION, c.ITEMS],
    )


def _history(
    column: pa.ListArray, catalog: Catalog
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Flatten histories: user, item row, positive, type and seen of each entry."""
    entries = pc.list_flatten(column)
    owners = pc.list_parent_indices(column).to_numpy()
    found = pc.index_in(entries.field(c.ITEM_ID), value_set=pa.array(catalog.ids))
    return (
        owners,
        found.to_numpy(zero_copy_only=False).astype(np.int32),
        entries.field("positive").to_numpy(zero_copy_only=False).astype(bool),
        entries.field(c.EVENT_TYPE).to_pylist(),
        entries.field(c.SEEN).to_numpy(zero_copy_only=False).astype(bool),
    )


def list_column(
    catalog: Catalog, block: RankedBlock, reasons: list[str | None] | None
) -> pa.ListArray:
    """A block as an Arrow column of lists of (item_id, score, source, reason)."""
    there = block.rows >= 0
    flat = pa.array(block.rows[there])
    size = len(flat)
    items = pa.StructArray.from_arrays(
        [
            pa.array(catalog.ids).take(flat),
            pa.array(block.scores[there], pa.float32()),
            pa.array(SOURCES).take(pa.array(block.sources[there])),
            pa.array(reasons, pa.string()) if reasons is not None else pa.nulls(size, pa.string()),
        ],
        fields=list(_ITEM),
    )
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def segment_lists(
    catalog: Catalog, *, n: int
) -> list[tuple[str, str | None, list[dict[str, object]]]]:
    """The list of everybody and of each region: level, segment, items."""
    segments: list[str | None] = [None, *catalog.regional]
    nothing = sparse.csr_matrix(np.zeros((len(segments), len(catalog.ids)), dtype=np.int8))
    block = rank_block(
        catalog,
        vectors=np.zeros((len(segments), catalog.factors.shape[1]), dtype=np.float32),
        known=np.zeros(len(segments), dtype=bool),
        regions=segments,
        exclude=nothing,
        n=n,
    )
    lists = []
    for place, segment in enumerate(segments):
        reasons = list_reasons(
            catalog,
            block,
            place,
            directions=catalog.factors,
            history=np.zeros(0, dtype=np.int32),
            types=[],
            region=segment,
        )
        rows = block.rows[place][block.rows[place] >= 0]
        items: list[dict[str, object]] = [
            {
                "item_id": catalog.ids[row],
                "score": float(block.scores[place, at]),
                "source": SOURCES[block.sources[place, at]],
                "reason": reasons[at],
            }
            for at, row in enumerate(rows)
        ]
        lists.append(("global" if segment is None else "region", segment, items))
    return lists
