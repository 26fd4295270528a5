"""Ranked users as rows of `topn_user` and `topn_segment`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons

ITEM = pa.struct(
    [
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("reason", pa.string()),
        ("parts", pa.list_(pa.float32())),
        ("propensity", pa.float32()),
        ("probability", pa.float32()),
    ]
)


def user_lists(ranker: Ranker, rows: npt.NDArray[np.integer], reasons: Reasons) -> pa.RecordBatch:
    """Lists of some users of the model: user_key, region, items."""
    trained_on = ranker.model.trained_on
    names = pa.array([*trained_on.region_names, None], pa.string())
    regions = trained_on.data.regions
    assert regions is not None
    places = pa.array(regions[rows] % len(names))  # -1 is the last name: none
    return pa.RecordBatch.from_arrays(
        [trained_on.user_keys(rows), names.take(places), _items(ranker, rows, reasons)],
        names=[c.USER_KEY, c.REGION, c.ITEMS],
    )


def segment_lists(ranker: Ranker, reasons: Reasons) -> pa.Table:
    """The list of everybody, of each region and of each cohort: level, segment, items.

    There are none of cohorts where what serves newcomers does not tell these apart: a copy of the
    list of everybody would take the place of the region's.
    """
    known, recipe = ranker.model.trained_on, ranker.model.recipe
    cohorts = known.cohort_names if recipe.tells_cohorts else ()
    segments = [
        ("global", None, known.stranger(None)),
        *(("region", each, known.stranger(each)) for each in known.region_names),
        *(("cohort", each, known.stranger(None, each)) for each in cohorts),
    ]
    levels, names, rows = zip(*segments, strict=True)
    columns = [
        pa.array(levels, pa.string()),
        pa.array(names, pa.string()),
        _items(ranker, np.array(rows), reasons),
    ]
    return pa.Table.from_arrays(columns, [c.LEVEL, c.SEGMENT, c.ITEMS])


def available_items(ranker: Ranker) -> pa.Table:
    """Of each user who may have a list, how many items it may choose from: user_key, available."""
    trained_on = ranker.model.trained_on
    rows = np.flatnonzero(trained_on.listed)
    return pa.table({c.USER_KEY: trained_on.user_keys(rows), "available": ranker.available(rows)})


def _items(ranker: Ranker, rows: npt.NDArray[np.integer], reasons: Reasons) -> pa.ListArray:
    ranked = ranker.rank(rows)
    there = ranked.items >= 0
    flat = ranked.items[there]
    told = [
        reason
        for user, row in enumerate(rows)
        for reason in reasons.of(
            int(row), ranked.items[user][there[user]], ranked.sources[user][there[user]]
        )
    ]
    parts = np.ascontiguousarray(ranked.parts.transpose(1, 2, 0)[there])
    ends = pa.array(np.arange(len(flat) + 1, dtype=np.int32) * np.int32(parts.shape[1]))
    items = pa.StructArray.from_arrays(
        [
            pa.array(ranker.model.trained_on.ids, pa.string()).take(pa.array(flat)),
            pa.array(ranked.scores[there], pa.float32()),
            pa.array(ranker.source_names, pa.string()).take(pa.array(ranked.sources[there])),
            pa.array(told, pa.string()),
            pa.ListArray.from_arrays(ends, pa.array(parts.ravel(), pa.float32())),
            pa.array(ranked.propensity[there], pa.float32()),
            pa.array(ranked.probability[there], pa.float32(), from_pandas=True),  # NaN is null
        ],
        fields=list(ITEM),
    )
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)
