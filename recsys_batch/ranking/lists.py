"""Ranked users as rows of `topn_user` and `topn_segment`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.ranking.model import Ranked, RankingModel
from recsys_batch.ranking.reasons import Reasons

ITEM = pa.struct(
    [
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("source", pa.string()),
        ("reason", pa.string()),
        ("parts", pa.list_(pa.float32())),
    ]
)


def user_lists(
    model: RankingModel, rows: npt.NDArray[np.integer], *, n: int, reasons: Reasons
) -> pa.RecordBatch:
    """Lists of some users of the model: user_key, region, items."""
    trained_on = model.trained_on
    ranked = model.rank(rows, n=n)
    names = pa.array([*trained_on.region_names, None], pa.string())
    regions = trained_on.data.regions
    assert regions is not None
    keys = pa.array(np.char.decode(trained_on.keys[rows], "ascii"), pa.string())
    return pa.RecordBatch.from_arrays(
        [
            keys,
            names.take(pa.array(regions[rows] % len(names))),
            _items(model, rows, ranked, reasons),
        ],
        names=[c.USER_KEY, c.REGION, c.ITEMS],
    )


def segment_lists(
    model: RankingModel, *, n: int, reasons: Reasons
) -> list[tuple[str, str | None, list[dict[str, object]]]]:
    """The list of everybody and of each region: level, segment, items."""
    segments: list[str | None] = [None, *model.trained_on.region_names]
    rows = np.array([model.trained_on.stranger(each) for each in segments])
    lists = _items(model, rows, model.rank(rows, n=n), reasons).to_pylist()
    levels = ["global" if each is None else "region" for each in segments]
    return list(zip(levels, segments, lists, strict=True))


def _items(
    model: RankingModel, rows: npt.NDArray[np.integer], ranked: Ranked, reasons: Reasons
) -> pa.ListArray:
    there = ranked.items >= 0
    flat = ranked.items[there]
    main = ranked.main_source()
    told = [
        reason
        for user, row in enumerate(rows)
        for reason in reasons.of(int(row), ranked.items[user][there[user]], main[user])
    ]
    sources = len(model.sources)
    parts = np.ascontiguousarray(ranked.parts.transpose(1, 2, 0)[there]).ravel()
    ends = pa.array(np.arange(len(flat) + 1, dtype=np.int32) * np.int32(sources))
    items = pa.StructArray.from_arrays(
        [
            pa.array(model.trained_on.ids, pa.string()).take(pa.array(flat)),
            pa.array(ranked.scores[there], pa.float32()),
            pa.array(list(model.sources), pa.string()).take(pa.array(main[there])),
            pa.array(told, pa.string()),
            pa.ListArray.from_arrays(ends, pa.array(parts, pa.float32())),
        ],
        fields=list(ITEM),
    )
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)
