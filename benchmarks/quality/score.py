"""Lists of a table's test users, and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.quality.tables import Table
from recsys_batch.evaluation import accuracy
from recsys_batch.evaluation.lists import blocks
from recsys_batch.models.sources import FittedSource
from recsys_batch.ranking.best import best_items
from recsys_batch.ranking.candidates import Gatherer
from recsys_batch.ranking.ceiling import recall_ceilings
from recsys_batch.ranking.stack import Stack
from recsys_batch.ranking.validation import best_places, wanted

Ints = npt.NDArray[np.int32]
BLOCK_USERS = 1024
METRICS: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
    "recall": accuracy.recall,
    "ndcg": accuracy.ndcg,
    "precision": accuracy.precision,
    "hit_rate": accuracy.hit_rate,
}


def each_user(
    lists: Ints, table: Table, *, names: tuple[str, ...], k: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Each metric of each test user."""
    truth = sparse.csr_matrix(table.test[table.rows])
    out = {name: np.full(len(lists), np.nan) for name in names}
    for block in blocks(lists, truth):
        for name in names:
            out[name][block.rows] = partial(METRICS[name], k=k)(block.hits, block.relevant)
    return out


def stack_lists(stack: Stack, table: Table, *, n: int) -> dict[str, Ints]:
    """What the model recommends to the test users: ours, by the blend alone, and by each source.

    The candidates hold every source's own best, so that one pass gives the lists of all.
    """
    names = ["ours", "ours, blend", *stack.sources]
    lists = {name: np.full((len(table.rows), n), -1, dtype=np.int32) for name in names}
    for first in range(0, len(table.rows), BLOCK_USERS):
        users = slice(first, first + BLOCK_USERS)
        rows = table.rows[users]
        if table.given is None:
            found, ours = stack.score(rows, exclude=sparse.csr_matrix(table.data.weights[rows]))
        else:
            found, ours = stack.score(rows, given=table.given[users])
        absent = found.items < 0
        for name, scores in zip(
            names, [ours, stack.blend.scores(found), *found.scores], strict=True
        ):
            places = best_places(np.where(absent, np.float32(-np.inf), scores), n)
            items = np.take_along_axis(found.items, places, axis=1)
            lists[name][users, : items.shape[1]] = items
    return lists


def candidate_recalls(
    stack: Stack, table: Table, *, depths: tuple[int, ...], users: int
) -> dict[tuple[str, int], float]:
    """Mean recall by source and depth, and of the merged candidates in the blend's order."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(table.rows, min(users, len(table.rows)), replace=False))
    gatherer = Gatherer(stack.sources, per_source=max(depths))
    found: dict[tuple[str, int], list[npt.NDArray[np.float64]]] = {}
    for first in range(0, len(rows), BLOCK_USERS):
        own = rows[first : first + BLOCK_USERS]
        candidates = gatherer.candidates(own, exclude=table.data.weights[own])
        targets = wanted(candidates.items, sparse.csr_matrix(table.test[own]))
        order = stack.blend.scores(candidates)
        for depth in depths:
            ceilings = recall_ceilings(candidates, order, targets, k=depth)
            for name, each in ceilings.items():
                found.setdefault((name, depth), []).append(each)
    return {key: float(np.concatenate(each).mean()) for key, each in found.items()}


def source_lists(
    sources: Mapping[str, FittedSource], weights: Mapping[str, float], table: Table, *, n: int
) -> Ints:
    """Lists by the weighted sum of raw scores."""
    lists = np.full((len(table.rows), n), -1, dtype=np.int32)
    for first in range(0, len(table.rows), BLOCK_USERS):
        rows = table.rows[first : first + BLOCK_USERS]
        scores = sum(
            np.float32(weights[name]) * each.scores(rows) for name, each in sources.items()
        )
        if table.given is None:
            seen = table.data.weights[rows].tocoo()
            scores[seen.row, seen.col] = -np.inf
        else:
            given = table.given[first : first + BLOCK_USERS]
            users, places = np.nonzero(given >= 0)
            closed = np.ones(scores.shape, dtype=bool)
            closed[users, given[users, places]] = False
            scores[closed] = -np.inf
        lists[first : first + BLOCK_USERS] = best_items(scores, n)
    return lists
