"""What every block of users needs to be ranked: items, their factors, popularity and texts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Catalog:
    """The items of a run, in ascending order of id; row i is item i everywhere.

    Attributes
    ----------
    ids, titles
        Item ids and texts (the id where there is no text).
    allowed
        bool, items: may be recommended.
    factors
        float32, items x factors; zero for an item that the model does not know.
    modelled
        bool, items: the model knows it.
    popular
        float32, items: share of the most popular item's score, over all.
    regional
        The same for each region.
    """

    ids: list[str]
    titles: list[str]
    allowed: npt.NDArray[np.bool_]
    factors: Floats
    modelled: npt.NDArray[np.bool_]
    popular: Floats
    regional: dict[str, Floats]
    row_of: dict[str, int] = field(repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.row_of.update({item: row for row, item in enumerate(self.ids)})


def make_catalog(items: pa.Table, item_factors: pa.Table, popularity: pa.Table) -> Catalog:
    """Join the run's items, factors and popularity into one catalog.

    Parameters
    ----------
    items
        item_id, title, recommendable.
    item_factors
        item_id, factors; every id among the items.
    popularity
        segment (null: all), item_id, score.
    """
    items = items.sort_by(c.ITEM_ID)
    ids = items[c.ITEM_ID].combine_chunks()
    size = len(ids)
    rows = pc.index_in(item_factors[c.ITEM_ID].combine_chunks(), value_set=ids).to_numpy()
    vectors = item_factors[c.FACTORS].combine_chunks()
    width = len(vectors[0]) if len(vectors) else 1
    factors = np.zeros((size, width), dtype=np.float32)
    factors[rows] = vectors.flatten().to_numpy().reshape(-1, width)
    modelled = np.zeros(size, dtype=bool)
    modelled[rows] = True
    titles = pc.coalesce(items[c.TITLE], items[c.ITEM_ID])
    segments = popularity[c.SEGMENT]
    regional = {
        region: _shares(popularity.filter(pc.equal(segments, region)), ids)
        for region in sorted(pc.unique(segments.drop_null()).to_pylist())
    }
    return Catalog(
        ids=ids.to_pylist(),
        titles=titles.to_pylist(),
        allowed=items[c.RECOMMENDABLE].to_numpy().astype(bool),
        factors=factors,
        modelled=modelled,
        popular=_shares(popularity.filter(pc.is_null(segments)), ids),
        regional=regional,
    )


def _shares(popularity: pa.Table, ids: pa.StringArray) -> Floats:
    shares = np.zeros(len(ids), dtype=np.float32)
    if len(popularity):
        rows = pc.index_in(popularity[c.ITEM_ID].combine_chunks(), value_set=ids).to_numpy()
        scores = popularity[c.SCORE].to_numpy()
        shares[rows] = (scores / scores.max()).astype(np.float32)
    return shares
