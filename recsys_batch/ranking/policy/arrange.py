"""Candidates of a block of users to finished lists: the rules' order, exactly n, no duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy.facts import FILL, Arranged, Bools, Floats, Rows, UserFacts
from recsys_batch.ranking.policy.fill import drop_excluded, top_up

if TYPE_CHECKING:
    from recsys_batch.ranking.policy.compile import CompiledPolicy

_PLACE_BITS = np.uint64(32)
_SIGN = np.uint32(1 << 31)


def arrange(
    policy: CompiledPolicy,
    items: Rows,
    scores: Floats,
    users: UserFacts,
    *,
    n: int,
    run_id: str,  # noqa: ARG001
    fill: Rows,
    last_taken_days: Floats | None = None,  # noqa: ARG001
    exclude: sparse.csr_matrix | None = None,
) -> Arranged:
    """Arrange the candidates of a block of users into lists.

    Parameters
    ----------
    items
        int32, users x width: item rows, ascending and distinct in each row, then -1.
    scores
        float32, users x width: relevance, finite; -inf beside -1.
    users
        The users.
    n
        Length of a list.
    run_id
        Seed of whatever is drawn by chance, together with the user's key.
    fill
        int32 item rows in the order in which they fill lists that candidates leave short, each at
        most once; items that are not allowed are passed over.
    last_taken_days
        float32, users x width: days since the user last took the candidate; NaN: never.
    exclude
        users x items; an entry keeps the item out of the user's list, besides the rules
        (what the user has seen). Candidates that it names are dropped, too.
    """
    _check(items, scores, users)
    kept_out = _kept_out(policy, users, exclude)
    mask_rows = policy.mask_rows(users)
    usable = (items >= 0) & policy.masks[mask_rows[:, None], items]
    entries = kept_out.indptr.astype(np.int64), kept_out.indices.astype(np.int32)
    drop_excluded(items, *entries, usable)
    rows, places, values = best_first(items, scores, usable, n)
    why = np.zeros(rows.shape, dtype=np.int8)
    top_up(rows, values, fill, policy.masks, mask_rows, *entries)
    there = rows >= 0
    why[there & (places < 0)] = FILL
    relevance = np.take_along_axis(scores, np.maximum(places, 0), axis=1) if items.size else values
    relevance = np.where(places >= 0, relevance, np.float32(0))
    return Arranged(
        rows=rows,
        places=places,
        scores=values,
        why=why,
        propensity=there.astype(np.float32),
        adjustments=np.where(there, values - relevance, np.float32(0)),
        shortfall=(n - there.sum(axis=1)).astype(np.int32),
    )


def best_first(items: Rows, scores: Floats, usable: Bools, n: int) -> tuple[Rows, Rows, Floats]:
    """Best n usable candidates of each user: their rows, places and scores; -1 and -inf pad."""
    users, width = items.shape
    rows = np.full((users, n), -1, dtype=np.int32)
    places = rows.copy()
    best = np.full((users, n), -np.inf, dtype=np.float32)
    depth = min(n, width)
    if depth:
        keys = _falling_keys(np.where(usable, scores, np.float32(-np.inf)))
        if depth < width:
            keys = np.partition(keys, depth - 1, axis=1)[:, :depth]
        keys.sort(axis=1)
        found = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)
        there = np.take_along_axis(usable, found, axis=1)
        places[:, :depth] = np.where(there, found, -1)
        rows[:, :depth] = np.where(there, np.take_along_axis(items, found, axis=1), -1)
        ordered = np.take_along_axis(scores, found, axis=1)
        best[:, :depth] = np.where(there, ordered, np.float32(-np.inf))
    return rows, places, best


def _falling_keys(scores: Floats) -> npt.NDArray[np.uint64]:
    """Keys that ascend as scores fall, ties by place."""
    bits = (scores + np.float32(0)).view(np.uint32)  # 0 for -0
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    places = np.arange(scores.shape[1], dtype=np.uint64)
    return (~rising).astype(np.uint64) << _PLACE_BITS | places


def _kept_out(
    policy: CompiledPolicy, users: UserFacts, exclude: sparse.csr_matrix | None
) -> sparse.csr_matrix:
    ruled = policy.exclude(users)
    if exclude is None:
        return ruled
    shape = (len(users), len(policy.items))
    if exclude.shape != shape:
        raise ContractError(
            f"shape {exclude.shape} for {shape[0]} users and {shape[1]} items",
            where="exclude",
            fix="give users x items of this block",
        )
    given = sparse.csr_matrix(exclude)
    if not ruled.nnz:
        return given
    entries = (np.ones(len(given.indices), dtype=np.int8), given.indices, given.indptr)
    return sparse.csr_matrix(sparse.csr_matrix(entries, shape) + ruled)


def _check(items: Rows, scores: Floats, users: UserFacts) -> None:
    if items.shape != scores.shape or len(items) != len(users):
        raise ContractError(
            f"items {items.shape} and scores {scores.shape} for {len(users)} users",
            where="candidates",
            fix="give both users x width",
        )
    if not np.isfinite(scores[items >= 0]).all():
        raise ContractError(
            "a candidate's score is not finite",
            where="scores",
            fix="pad with item -1 what has no score, and look for the source of the NaN",
        )
