"""A run's table of items as facts for rules."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.ranking.policy.facts import Floats, ItemFacts

_DAY = dt.timedelta(days=1)


def item_facts(
    items: pa.Table,
    *,
    popularity: Floats,
    until: dt.datetime,
    available: npt.NDArray[np.bool_] | None = None,
    margin: Floats | None = None,
    vectors: Floats | None = None,
) -> ItemFacts:
    """Turn rows of the table `items` into facts; row i of the table is item i.

    Parameters
    ----------
    items
        item_id, recommendable, category, price, tags, first_time (UTC).
    popularity
        float32, share of the most popular item's score, of each row.
    until
        End of the logical day, in UTC: ages are days from first_time to it.
    available, margin, vectors
        As in `ItemFacts`, of each row.
    """
    categories = items[c.CATEGORY].combine_chunks()
    names = sorted(pc.unique(categories.drop_null()).to_pylist())
    codes = pc.fill_null(pc.index_in(categories, value_set=pa.array(names, pa.string())), -1)
    first = items[c.FIRST_TIME].combine_chunks().cast(pa.timestamp("us", tz="UTC"))
    known = pc.is_valid(first).to_numpy(zero_copy_only=False)
    since = np.int64(until.timestamp() * 1e6) - pc.fill_null(first.cast(pa.int64()), 0).to_numpy()
    ages = np.where(known, since / (_DAY / dt.timedelta(microseconds=1)), np.nan)
    prices = items[c.PRICE].combine_chunks().cast(pa.float64())
    return ItemFacts(
        ids=items[c.ITEM_ID].combine_chunks().cast(pa.string()),
        recommendable=items[c.RECOMMENDABLE].to_numpy().astype(bool),
        categories=codes.to_numpy(zero_copy_only=False).astype(np.int32),
        category_names=tuple(names),
        prices=prices.to_numpy(zero_copy_only=False).astype(np.float64),
        age_days=ages.astype(np.float32),
        popularity=popularity,
        available=available,
        tags=items[c.TAGS].combine_chunks().cast(pa.list_(pa.string())),
        margin=margin,
        vectors=vectors,
    )
