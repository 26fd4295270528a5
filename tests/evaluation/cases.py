"""Small inputs the tests of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.scores import Scores, evaluate


def make_lists(rows: list[list[int]], width: int | None = None) -> np.ndarray:
    """Pad ragged lists with -1."""
    width = max(len(row) for row in rows) if width is None else width
    out = np.full((len(rows), width), -1, dtype=np.int32)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out


def make_truth(rows: list[list[int]], n_items: int) -> sparse.csr_array:
    """CSR hold-out from each user's relevant items."""
    dense = np.zeros((len(rows), n_items))
    for number, row in enumerate(rows):
        dense[number, row] = 1.0
    return sparse.csr_array(dense)


def settings(**changed: Any) -> EvaluationSettings:
    return EvaluationSettings(**({"k": 3, "recall_k": 4, "resamples": 200} | changed))


def score(lists: np.ndarray, truth: sparse.csr_array, **changed: Any) -> Scores:
    """Evaluate with an even catalogue unless told otherwise."""
    n_items = truth.shape[1]
    given: dict[str, Any] = {
        "settings": settings(),
        "item_popularity": np.ones(n_items, dtype=np.int64),
        "item_categories": np.zeros(n_items, dtype=np.int64),
        "n_items": n_items,
    }
    return evaluate(lists, truth, **(given | changed))


def random_case(
    rng: np.random.Generator, *, users: int, n_items: int, width: int
) -> tuple[np.ndarray, sparse.csr_array]:
    """Lists of random length (some empty) and hold-outs of random size (some empty)."""
    order = np.argsort(rng.random((users, n_items)), axis=1)[:, :width].astype(np.int32)
    length = rng.integers(0, width + 1, size=users)
    order[np.arange(width) >= length[:, None]] = -1
    share = rng.random((users, 1)) * (rng.random((users, 1)) < 0.8)
    return order, sparse.csr_array((rng.random((users, n_items)) < share).astype(float))
