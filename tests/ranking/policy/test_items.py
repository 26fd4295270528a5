"""Facts made of a run's table of items."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from ranking.policy.cases import DAY, policy
from recsys_batch.ranking.policy import compile_policy, item_facts

UTC = dt.UTC


def test_rows_become_facts() -> None:
    table = pa.table(
        {
            "item_id": ["a", "b", "c"],
            "recommendable": [True, False, True],
            "category": ["wine", None, "books"],
            "price": pa.array([3.5, 2.0, None], pa.float64()),
            "tags": pa.array([["gift"], None, []], pa.list_(pa.string())),
            "first_time": pa.array(
                [
                    dt.datetime(2026, 1, 29, 12, tzinfo=UTC),
                    None,
                    dt.datetime(2026, 1, 1, tzinfo=UTC),
                ],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    facts = item_facts(
        table,
        popularity=np.array([1, 0.5, 0], dtype=np.float32),
        until=dt.datetime(2026, 1, 31, tzinfo=UTC),
    )
    assert facts.names().to_pylist() == ["a", "b", "c"]
    assert facts.category_names == ("books", "wine")
    assert facts.categories.tolist() == [1, -1, 0]
    assert facts.prices.tolist()[:2] == [3.5, 2.0] and np.isnan(facts.prices[2])
    assert facts.age_days.tolist()[::2] == [1.5, 30.0] and np.isnan(facts.age_days[1])
    blocked = policy(everywhere={"block": {"tags": ["gift"]}})
    assert compile_policy(blocked, facts, as_of=DAY).allowed().tolist() == [False, False, True]


def test_a_catalogue_that_says_nothing_of_its_items() -> None:
    table = pa.table(
        {
            "item_id": ["a"],
            "recommendable": [True],
            "category": pa.nulls(1, pa.string()),
            "price": pa.nulls(1, pa.float64()),
            "tags": pa.nulls(1, pa.list_(pa.string())),
            "first_time": pa.nulls(1, pa.timestamp("us", tz="UTC")),
        }
    )
    until = dt.datetime(2026, 1, 31, tzinfo=UTC)
    facts = item_facts(table, popularity=np.zeros(1, dtype=np.float32), until=until)
    rules = policy(
        everywhere={"block": {"tags": ["x"], "dearer_than": 1}},
        caps=[{"each": "category", "most": 1}],
    )
    assert compile_policy(rules, facts, as_of=DAY).allowed().tolist() == [True]
