from __future__ import annotations

import numpy as np
import pytest

from recsys_batch.errors import ContractError
from recsys_batch.evaluation.segments import (
    activity_labels,
    age_labels,
    by_item_segment,
    by_user_segment,
    popularity_labels,
)

from .cases import make_lists, make_truth, random_case, score, settings

LISTS = make_lists([[0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]])
TRUTH = make_truth([[0], [3], [0, 3], []], 4)


def as_dict(table, metric):
    return {
        row["segment"]: (row["value"], row["users"])
        for row in table.to_pylist()
        if row["metric"] == metric
    }


def test_user_segments_by_hand() -> None:
    labels = np.array(["new", "light", "light", "power"])
    found = by_user_segment(score(LISTS, TRUTH), labels=labels, dimension="activity")
    assert as_dict(found, "hit_rate@3") == {"new": (1.0, 1), "light": (0.5, 2), "power": (None, 0)}
    one = next(row for row in found.to_pylist() if row["segment"] == "new")
    assert (one["dimension"], one["low"], one["high"]) == ("activity", None, None)


def test_users_without_a_label_are_reported_as_unknown() -> None:
    labels = np.array(["UK", None, "UK", "FR"], dtype=object)
    found = by_user_segment(score(LISTS, TRUTH), labels=labels, dimension="region")
    assert as_dict(found, "hit_rate@3")["unknown"] == (0.0, 1)


def test_item_segments_by_hand() -> None:
    labels = np.array(["head", "head", "tail", "tail"])
    before = TRUTH.toarray()
    found = by_item_segment(
        LISTS, TRUTH, labels=labels, dimension="popularity", settings=settings()
    )
    # Items 0 are found by users 0 and 2, item 3 is never in a list.
    assert as_dict(found, "recall@4") == {"head": (1.0, 2), "tail": (0.0, 2)}
    np.testing.assert_array_equal(TRUTH.toarray(), before)


def test_segments_of_one_label_are_the_whole() -> None:
    lists, truth = random_case(np.random.default_rng(8), users=60, n_items=20, width=8)
    scores = score(lists, truth)
    users = by_user_segment(scores, labels=np.full(60, "all"), dimension="all")
    items = by_item_segment(
        lists, truth, labels=np.full(20, 1), dimension="all", settings=settings()
    )
    whole = {row["metric"]: row for row in scores.table(model="lists").to_pylist()}
    assert users.num_rows == len(scores.means)
    for row in users.to_pylist() + items.to_pylist():
        for column in ("value", "low", "high", "users"):
            assert row[column] == pytest.approx(whole[row["metric"]][column], abs=1e-12)


def test_labels() -> None:
    assert activity_labels(np.array([0, 1, 9, 10]), power_from=10).tolist() == [
        "new",
        "light",
        "light",
        "power",
    ]
    # 10 + 6 reach 80 % of 20; of the equal items the first row comes first.
    popularity = np.array([2, 6, 10, 2, 0])
    heads = popularity_labels(popularity, head_share=0.8)
    assert heads.tolist() == ["tail", "head", "head", "tail", "tail"]
    ages = age_labels(np.array([0.0, 7.0, 29.9, 30.0, np.nan]), edges=(7, 30))
    assert ages.tolist() == ["<7d", "7-30d", "7-30d", ">=30d", None]


def test_one_label_each() -> None:
    with pytest.raises(ContractError, match="each user one label"):
        by_user_segment(score(LISTS, TRUTH), labels=np.array(["a"]), dimension="region")
    with pytest.raises(ContractError, match="each item one label"):
        by_item_segment(LISTS, TRUTH, labels=np.array(["a"]), dimension="age", settings=settings())
