"""Lists as a stream are those of the kernel, whatever the blocks, and reach a table whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.errors import ConfigError, InputDataError
from recsys_batch.topn import PreparedItems, list_batches, top_n


def f32(rows: Any) -> Any:
    return np.array(rows, dtype=np.float32)


def names(letter: str, rows: int) -> pa.Array:
    return pa.array([f"{letter}{row}" for row in range(rows)])


USERS = f32([[1, 0], [0, 1], [1, 1]])
ITEMS = f32([[1, 0], [3, 0], [0, 2]])
NAMES = {"user_keys": names("u", 3), "item_ids": names("i", 3)}


def test_names_stand_for_rows_best_first() -> None:
    exclude = sparse.csr_matrix(f32([[0, 1, 0], [1, 1, 1], [0, 0, 0]]))
    batches = list(list_batches(USERS, ITEMS, n=2, exclude=exclude, block_users=2, **NAMES))
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.Table.from_batches(batches).to_pylist() == [
        {
            "user_key": "u0",
            "items": [{"item_id": "i0", "score": 1.0}, {"item_id": "i2", "score": 0.0}],
        },
        {"user_key": "u1", "items": []},
        {
            "user_key": "u2",
            "items": [{"item_id": "i1", "score": 3.0}, {"item_id": "i2", "score": 2.0}],
        },
    ]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    users=st.integers(1, 30),
    block=st.integers(1, 31),
    mask=st.sampled_from(("none", "csr", "matrix", "items")),
)
def test_any_blocks_give_the_lists_of_one_call(
    seed: int, users: int, block: int, mask: str
) -> None:
    rng = np.random.default_rng(seed)
    left, right = f32(rng.normal(size=(users, 3))), f32(rng.normal(size=(9, 3)))
    cells = rng.random((users, 9)) < 0.3
    exclude = {"none": None, "csr": sparse.csr_matrix(cells), "matrix": cells, "items": cells[0]}
    rows, scores = top_n(left, right, n=7, exclude=exclude[mask])
    table = list_batches(
        left,
        PreparedItems(right),
        n=7,
        user_keys=pa.array(np.arange(users)),
        item_ids=pa.array(np.arange(9, dtype=np.int32)),
        exclude=exclude[mask],
        block_users=block,
    ).read_all()
    assert table["user_key"].to_pylist() == list(range(users))
    for user, items in enumerate(table["items"].to_pylist()):
        there = rows[user] >= 0
        assert [item["item_id"] for item in items] == rows[user][there].tolist()
        assert [item["score"] for item in items] == scores[user][there].tolist()


def test_factors_may_be_mapped_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "users.npy", USERS)
    mapped = np.load(tmp_path / "users.npy", mmap_mode="r")
    expected = list_batches(USERS, ITEMS, n=3, **NAMES).read_all()
    assert list_batches(mapped, ITEMS, n=3, **NAMES).read_all() == expected


def test_blocks_hold_about_a_million_entries() -> None:
    users = np.zeros((3000, 2), dtype=np.float32)
    given_names = {"user_keys": pa.array(np.arange(3000)), "item_ids": names("i", 3)}
    sizes = [each.num_rows for each in list_batches(users, ITEMS, n=1000, **given_names)]
    assert sizes == [1048, 1048, 904]


def test_what_is_wrong_is_said_before_any_list_is_made() -> None:
    bad = USERS.copy()
    bad[2, 1] = np.nan
    with pytest.raises(InputDataError, match="row 2 holds NaN"):
        list_batches(bad, ITEMS, n=1, block_users=1, **NAMES)
    with pytest.raises(InputDataError, match="2 names for 3 rows"):
        list_batches(USERS, ITEMS, n=1, user_keys=names("u", 2), item_ids=names("i", 3))
    with pytest.raises(InputDataError, match="2 names for 3 rows"):
        list_batches(USERS, ITEMS, n=1, user_keys=names("u", 3), item_ids=names("i", 2))
    with pytest.raises(InputDataError, match="has shape"):
        list_batches(USERS, ITEMS, n=1, exclude=np.zeros((2, 3), dtype=np.bool_), **NAMES)
    with pytest.raises(InputDataError, match="dimensions"):
        list_batches(USERS, f32([[1], [1], [1]]), n=1, **NAMES)
    for wrong in ({"n": 0}, {"n": 1, "block_users": 0}):
        with pytest.raises(ConfigError, match="integer of 1 or more"):
            list_batches(USERS, ITEMS, **NAMES, **wrong)
