"""Factors with their keys, of users and items that have a history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.feature_tables import UNTIL, USERS, items, pairs, popularity, table
from recsys_batch.lake.tables import TABLES
from recsys_batch.models.factors import factor_tables
from recsys_batch.models.sources import AlsSettings
from recsys_batch.models.training import training

PAIRS = pairs(
    ("v", "b", 1.0, "purchase", True, 1),
    ("u", "a", 2.0, "purchase", True, 1),
    ("v", "c", 0.5, "view", False, 1),
    ("w", "c", 0.0, "view", False, 1),
)
PEOPLE = table(USERS, [("u", "north"), ("v", None), ("w", None), ("new", None)])


def test_rows_carry_their_keys_in_order_and_no_rows_of_those_without_history():
    known = training(PAIRS, PEOPLE, items(["d", "c", "a", "b"]), popularity({}), until=UNTIL)
    factors = AlsSettings(factors=3, iterations=4).fit(known.data)
    found = factor_tables(known, factors, run_id="r1", part="full")
    users, shop = found["user_factors"], found["item_factors"]
    for name, made in found.items():
        assert made.column_names == list(TABLES[name].names)
        assert set(made["run_id"].to_pylist()) == {"r1"}
        assert set(made["part"].to_pylist()) == {"full"}
    assert users["user_key"].to_pylist() == ["u", "v"]  # w weighs nothing, new did nothing
    assert shop["item_id"].to_pylist() == ["a", "b", "c"]
    assert shop["idx"].to_pylist() == [0, 1, 2]
    assert shop["factors"].type == pa.list_(pa.float32())
    np.testing.assert_array_equal(np.array(users["factors"].to_pylist()), factors.users[[1, 2]])
    np.testing.assert_array_equal(np.array(shop["factors"].to_pylist()), factors.items[:3])
    assert not factors.users[[0, 3, 4, 5]].any()
    assert not factors.items[3].any()
