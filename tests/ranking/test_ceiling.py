"""What the candidates of each source, and of all together, allow."""

from __future__ import annotations

import numpy as np

from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.ceiling import MERGED, recall_ceilings
from recsys_batch.ranking.validation import Wanted


def test_ceilings_by_hand():
    """Of user 0's two relevant items one is not among the candidates; user 2 wants nothing."""
    items = np.array([[1, 4, 7], [0, 2, -1], [3, 5, 6]], dtype=np.int32)
    ranks = np.array(
        [[[1, 2, 0], [2, 1, 0], [1, 2, 0]], [[0, 2, 1], [0, 1, 0], [0, 2, 1]]], dtype=np.int32
    )
    found = Candidates(("a", "b"), items, np.zeros(ranks.shape, dtype=np.float32), ranks)
    hits = np.array([[False, True, False], [True, True, False], [False, False, False]])
    targets = Wanted(hits, np.array([2, 2, 0]))
    order = np.array([[1, 3, 2], [2, 1, -np.inf], [3, 2, 1]], dtype=np.float32)
    one = recall_ceilings(found, order, targets, k=1)
    two = recall_ceilings(found, order, targets, k=2)
    assert {name: each.tolist() for name, each in one.items()} == {
        "a": [0.0, 0.5],
        "b": [0.0, 0.5],
        MERGED: [0.5, 0.5],
    }
    assert {name: each.tolist() for name, each in two.items()} == {
        "a": [0.5, 1.0],
        "b": [0.5, 0.5],
        MERGED: [0.5, 1.0],
    }
