"""Metrics equal RecTools'.

RecTools is no dependency: it runs in an interpreter of its own, ``$RECTOOLS_PYTHON`` or
``.venv/rectools/bin/python`` below the project's root (``python -m venv .venv/rectools`` and
``pip install RecTools==0.19.0`` there). The golden values below were taken from it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from .cases import make_lists, make_truth, random_case, score, settings

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("RECTOOLS_PYTHON", ROOT / ".venv/rectools/bin/python"))

# Users with 2 relevant items and no hit, 1 and the first, 3 with ranks 1, 3 and 4, all of 3,
# 4 (more than k) with ranks 2 and 4.
LISTS = make_lists([[7, 8], [1, 2], [1, 2, 3, 4], [1, 2, 3], [5, 1, 6, 2]])
TRUTH = make_truth([[1, 2], [1], [1, 3, 4], [1, 2, 3], [1, 2, 3, 9]], 10)
D2, D3 = 1 / np.log2(3), 0.5  # discounts of ranks 2 and 3; that of rank 1 is 1
GOLDEN = {
    "precision": [0.0, 1 / 3, 2 / 3, 1.0, 1 / 3],
    "recall": [0.0, 1.0, 1.0, 1.0, 0.5],  # at 4
    "ndcg": [0.0, 1.0, (1 + D3) / (1 + D2 + D3), 1.0, D2 / (1 + D2 + D3)],
    "map": [0.0, 1.0, (1 + 2 / 3) / 3, 1.0, (1 / 2) / 4],
    "mrr": [0.0, 1.0, 1.0, 1.0, 1 / 2],
    "hit_rate": [0.0, 1.0, 1.0, 1.0, 1.0],
}
RECTOOLS_NDCG = [0.0, 1.0, 0.7039180890341347, 1.0, 0.29608191096586517]  # as printed by 0.19.0


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    found = score(LISTS, TRUTH).per_user[name]
    np.testing.assert_allclose(found, GOLDEN[name], rtol=0, atol=1e-12)


def test_golden_ndcg_is_the_number_rectools_printed() -> None:
    np.testing.assert_allclose(score(LISTS, TRUTH).per_user["ndcg"], RECTOOLS_NDCG, atol=1e-12)


def test_golden_beyond_accuracy() -> None:
    # Training: item 1 had 3 of 4 users, item 2 two, item 5 one, others none (taken as one).
    popularity = np.zeros(10, dtype=np.int64)
    popularity[[1, 2, 5]] = [3, 2, 1]
    categories = np.array([0, 0, 1, 1, 1, 0, 0, 2, 2, 2])
    found = score(
        LISTS, TRUTH, item_popularity=popularity, item_categories=categories, training_users=4
    ).per_user
    one = np.log2(4 / 3)
    novelty = [2, (one + 1) / 2, (one + 1 + 2) / 3, (one + 1 + 2) / 3, (2 + one + 2) / 3]
    np.testing.assert_allclose(found["novelty"], novelty, atol=1e-12)
    np.testing.assert_allclose(found["diversity"], [0, 1, 2 / 3, 2 / 3, 0], atol=1e-12)
    # Ranks of popularity 1, 2, 3: chances 1, .9, .8 of 10 items. Own chances by rank: 1, .9, .8.
    # A hit on item 3, which nobody had, at rank 3 counts .8; item 1 never gains.
    np.testing.assert_allclose(found["serendipity"], [0, 0, 0.8 / 3, 0.8 / 3, 0], atol=1e-12)


@pytest.fixture(scope="module")
def cases() -> list[tuple[dict[str, object], dict[str, object]]]:
    if not PYTHON.is_file():
        pytest.skip(f"no interpreter with RecTools at {PYTHON} (set RECTOOLS_PYTHON)")
    rng = np.random.default_rng(11)
    inputs = [(LISTS, TRUTH, 3, 4, 2)]
    for number in range(12):
        users, n_items = int(rng.integers(5, 60)), int(rng.integers(8, 40))
        width = int(rng.integers(2, min(16, n_items)))
        drawn = random_case(rng, users=users, n_items=n_items, width=width)
        inputs.append((*drawn, int(rng.integers(1, 14)), int(rng.integers(1, 30)), number))
    given = [_as_json(*each) for each in inputs]
    ran = subprocess.run(
        [PYTHON, Path(__file__).with_name("rectools_reference.py")],
        input=json.dumps([each for each, _ in given]),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(ours, theirs) for (_, ours), theirs in zip(given, json.loads(ran.stdout), strict=True)]


def test_equal_to_rectools_on_random_cases(cases: list[tuple[dict, dict]]) -> None:
    compared = 0
    for ours, theirs in cases:
        assert ours["coverage"] == pytest.approx(theirs["coverage"], abs=1e-9)
        for name, values in ours["per_user"].items():
            for user, value in enumerate(values):
                # RecTools leaves a user with an empty list out of what only lists have; for
                # users without relevant items ours has no value and its serendipity is 0.
                if np.isnan(value) or str(user) not in theirs[name]:
                    continue
                assert value == pytest.approx(theirs[name][str(user)], abs=1e-9), (name, user)
                compared += 1
    assert compared > 2000


def test_means_equal_rectools_means(cases: list[tuple[dict, dict]]) -> None:
    # It keeps users with relevant items and an empty list as zero, as ours does.
    for ours, theirs in cases:
        for name in GOLDEN:
            assert ours["means"][name] == pytest.approx(
                np.mean(list(theirs[name].values())), abs=1e-9
            ), name


def _as_json(
    lists: np.ndarray, truth: sparse.csr_array, k: int, recall_k: int, seed: int
) -> tuple[dict[str, object], dict[str, object]]:
    n_items = truth.shape[1]
    rng = np.random.default_rng(seed)
    before = np.unique(rng.integers(0, [30, n_items], size=(150, 2)), axis=0)
    popularity = np.bincount(before[:, 1], minlength=n_items)
    categories = rng.integers(0, 4, size=n_items)
    users, ranks = np.nonzero(lists >= 0)
    given: dict[str, object] = {
        "k": k,
        "recall_k": recall_k,
        "n_items": n_items,
        "reco": np.column_stack([users, lists[users, ranks], ranks + 1]).tolist(),
        "truth": np.argwhere(truth.toarray() > 0).tolist(),
        "before": before.tolist(),
        "categories": categories.tolist(),
    }
    found = score(
        lists,
        truth,
        settings=settings(k=k, recall_k=recall_k, resamples=100),
        item_popularity=popularity,
        item_categories=categories,
        training_users=len(np.unique(before[:, 0])),
    )
    return given, {
        "per_user": found.per_user,
        "means": {name: each.value for name, each in found.means.items()},
        "coverage": found.catalogue["coverage"].value,
    }
