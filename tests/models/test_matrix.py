"""Interactions to one matrix: sorted keys, filters, and the same bits in any order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.errors import InputDataError
from recsys_batch.models.matrix import interaction_matrix

SCHEMA = pa.schema([("user_key", pa.string()), ("item_id", pa.string()), ("weight", pa.float64())])


def pairs(*rows: tuple[str, str, float]) -> pa.Table:
    return pa.table(dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True)), SCHEMA)


SMALL = pairs(
    ("u2", "ä", 0.5), ("u1", "b", 1.0), ("u1", "a", 2.0), ("u3", "a", 0.0), ("u2", "a", 4.0)
)


def test_rows_and_columns_are_keys_in_ascending_order():
    made = interaction_matrix(SMALL)
    assert made.users.to_pylist() == ["u1", "u2"]  # u3 has no positive weight
    assert made.items.to_pylist() == ["a", "b", "ä"]
    assert made.weights.toarray().tolist() == [[2, 1, 0], [4, 0, 0.5]]
    assert made.weights.dtype == np.float32


def test_filters_count_partners_in_one_pass_over_the_full_table():
    table = pairs(
        *[("u1", item, 1.0) for item in "abc"],
        *[("u2", item, 1.0) for item in "ab"],
        ("u3", "a", 1.0),
        ("u4", "c", -1.0),
    )
    made = interaction_matrix(table, min_user_items=2)
    assert made.users.to_pylist() == ["u1", "u2"]
    made = interaction_matrix(table, min_item_users=2)
    assert made.items.to_pylist() == ["a", "b"]  # c has one user of positive weight
    assert made.users.to_pylist() == ["u1", "u2", "u3"]
    # Items with three users are a alone, users with two items u1 and u2: counted at once, so u1
    # and u2 stay although only one item of theirs does.
    made = interaction_matrix(table, min_user_items=2, min_item_users=3)
    assert (made.users.to_pylist(), made.items.to_pylist()) == (["u1", "u2"], ["a"])


@pytest.mark.parametrize(
    ("table", "limits"),
    [
        (SMALL, {"min_user_items": 1000}),
        (SMALL, {"min_item_users": 1000}),
        (SMALL.slice(3, 1), {}),
        (SMALL.slice(0, 0), {}),
    ],
)
def test_nothing_left_is_one_sentence(table, limits):
    with pytest.raises(InputDataError, match=r"no interaction is left of \d.*; lower the limits"):
        interaction_matrix(table, **limits)


@given(
    weights=st.dictionaries(
        st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(["1", "2", "é", "日"])),
        st.floats(-1, 10, allow_nan=False),
        min_size=1,
    ),
    data=st.data(),
)
def test_the_order_and_chunks_of_rows_change_no_bit(weights, data):
    rows = [(user, item, weight) for (user, item), weight in weights.items()]
    rows.append(("u", "sure", 1.0))
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    one = interaction_matrix(pairs(*rows))
    table = pairs(*shuffled)
    other = interaction_matrix(pa.concat_tables([table.slice(0, cut), table.slice(cut)]))
    assert one.users.equals(other.users)
    assert one.items.equals(other.items)
    for name in ("data", "indices", "indptr"):
        mine, theirs = getattr(one.weights, name), getattr(other.weights, name)
        assert mine.tobytes() == theirs.tobytes()
    dense = {
        (one.users[row].as_py(), one.items[column].as_py()): one.weights[row, column]
        for row, column in zip(*one.weights.nonzero(), strict=True)
    }
    assert dense == {
        (user, item): np.float32(weight) for user, item, weight in rows if np.float32(weight) > 0
    }
