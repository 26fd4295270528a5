"""Items, factors and popularity to one catalog, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys_batch.ranking.catalog import make_catalog

ITEMS = pa.table(
    {
        "item_id": ["b", "ä", "a", "B"],
        "title": ["Bread", None, "Apple", None],
        "recommendable": [True, True, False, True],
    }
)
FACTORS = pa.table(
    {
        "item_id": ["b", "a"],
        "factors": pa.array([[3.0, 4.0], [1.0, 2.0]], pa.list_(pa.float32())),
    }
)
POPULARITY = pa.table(
    {
        "segment": [None, None, "north", "north", "ö"],
        "item_id": ["a", "b", "B", "a", "ä"],
        "score": [1.0, 4.0, 2.0, 0.5, 7.0],
    }
)


def test_rows_are_in_the_order_of_the_ids_bytes():
    made = make_catalog(ITEMS, FACTORS, POPULARITY)
    assert made.ids == ["B", "a", "b", "ä"]
    assert made.row_of == {"B": 0, "a": 1, "b": 2, "ä": 3}
    assert made.titles == ["B", "Apple", "Bread", "ä"]  # the id where there is no text
    assert made.allowed.tolist() == [True, False, True, True]
    assert made.modelled.tolist() == [False, True, True, False]
    assert made.factors.tolist() == [[0, 0], [1, 2], [3, 4], [0, 0]]


def test_popularity_becomes_a_share_of_the_most_popular_of_its_segment():
    made = make_catalog(ITEMS, FACTORS, POPULARITY)
    assert made.popular.tolist() == [0, 0.25, 1, 0]
    assert {region: shares.tolist() for region, shares in made.regional.items()} == {
        "north": [1, 0.25, 0, 0],
        "ö": [0, 0, 0, 1],
    }


def test_the_order_of_rows_and_chunks_changes_nothing():
    one = make_catalog(ITEMS, FACTORS, POPULARITY)
    other = make_catalog(
        pa.concat_tables([ITEMS.slice(2), ITEMS.slice(0, 2)]),
        pa.concat_tables([FACTORS.slice(1), FACTORS.slice(0, 1)]),
        pa.concat_tables([POPULARITY.slice(3), POPULARITY.slice(0, 3)]),
    )
    assert (one.ids, one.titles) == (other.ids, other.titles)
    for name in ("allowed", "factors", "modelled", "popular"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert list(one.regional) == list(other.regional)


def test_a_shop_without_model_or_popularity_is_a_catalog_too():
    made = make_catalog(ITEMS, FACTORS.slice(0, 0), POPULARITY.slice(0, 0))
    assert made.factors.shape == (4, 1)
    assert not made.modelled.any()
    assert not made.popular.any()
    assert made.regional == {}
