"""Reasons name the closest item of the history, by cosine."""

from __future__ import annotations

import numpy as np

from ranking.cases import catalog, excluded
from recsys_batch.ranking.blocks import rank_block
from recsys_batch.ranking.reasons import list_reasons, unit_rows

SHOP = catalog(
    ["apple", "bread", "cider", "dates"],
    vectors={"apple": [9, 0], "bread": [0, 1], "cider": [1, 0.5], "dates": [0.2, 2]},
    popular={"dates": 1.0, "bread": 0.5},
    regional={"north": {"bread": 1.0}},
)


def reasons(history: list[str], types: list[str], *, known: bool = True, region=None, taken=()):
    block = rank_block(
        SHOP,
        vectors=np.array([[1.0, 1.0]], dtype=np.float32),
        known=np.array([known]),
        regions=[region],
        exclude=excluded([list(taken)], 4),
        n=4,
    )
    found = list_reasons(
        SHOP,
        block,
        0,
        directions=unit_rows(SHOP.factors),
        history=np.array([SHOP.row_of[item] for item in history], dtype=np.int32),
        types=types,
        region=region,
    )
    return dict(zip((SHOP.ids[row] for row in block.rows[0] if row >= 0), found, strict=True))


def test_each_item_names_what_lies_closest_to_it():
    found = reasons(["apple", "bread"], ["purchase", "view"], taken=[0, 1])
    # cider points along apple (cosine 0.89), dates along bread (0.995), whatever their lengths.
    assert found == {
        "dates": "because you looked at the bread",
        "cider": "because you bought the apple",
    }


def test_what_the_user_had_before_says_so():
    found = reasons(["apple", "bread"], ["purchase", "rating"])
    assert found["apple"] == "because you bought it before"
    assert found["bread"] == "because you rated it before"
    assert found["cider"] == "because you bought the apple"


def test_of_equally_close_items_the_first_is_named():
    found = reasons(["bread", "cider"], ["cart", "view"], taken=[1, 2])
    # apple points along cider; to dates bread has cosine 0.995, cider 0.54.
    assert found == {
        "apple": "because you looked at the cider",
        "dates": "because you chose the bread",  # a type without a verb of its own
    }
    twins = catalog(["x", "y", "z"], vectors={"x": [1, 0], "y": [2, 0], "z": [3, 0]})
    block = rank_block(
        twins,
        vectors=np.array([[1.0, 0.0]], dtype=np.float32),
        known=np.array([True]),
        regions=[None],
        exclude=excluded([[0, 1]], 3),
        n=1,
    )
    found = list_reasons(
        twins,
        block,
        0,
        directions=unit_rows(twins.factors),
        history=np.array([0, 1], dtype=np.int32),
        types=["purchase", "purchase"],
        region=None,
    )
    assert found == ["because you bought the x"]


def test_without_history_or_model_it_says_whose_list_it_is():
    assert set(reasons([], []).values()) == {"close to your taste"}
    found = reasons([], [], known=False, region="north")
    assert list(found.items())[:2] == [
        ("bread", "popular in north"),
        ("dates", "popular with everyone"),
    ]


def test_unit_rows_keep_zero_rows():
    np.testing.assert_allclose(
        unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)), [[0.6, 0.8], [0, 0]]
    )
