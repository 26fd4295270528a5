"""Candidates of a block of users to finished lists: the rules' order, exactly n, no duplicates."""

# mypy: allow-untyped-calls
# What is compiled has no types of its own.

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recsys_batch.compilation import fixed
from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy.block import block_memory, block_rules
from recsys_batch.ranking.policy.checks import check_block
from recsys_batch.ranking.policy.explore import explore
from recsys_batch.ranking.policy.facts import FILL, Arranged, Bools, Floats, Rows, UserFacts
from recsys_batch.ranking.policy.fill import find_usable, top_up
from recsys_batch.ranking.policy.lift import Reserve, lift
from recsys_batch.ranking.policy.pairs import union
from recsys_batch.ranking.policy.repeats import Days, too_soon
from recsys_batch.ranking.policy.state import Access, Lists, readonly
from recsys_batch.ranking.policy.utility import best_places, utilities
from recsys_batch.ranking.policy.walk import finish, walk

if TYPE_CHECKING:
    from recsys_batch.ranking.policy.compile import CompiledPolicy


def arrange(
    compiled: CompiledPolicy,
    items: Rows,
    scores: Floats,
    users: UserFacts,
    *,
    n: int,
    run_id: str,
    fill: Rows,
    last_taken_days: Days | None = None,
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
        float32, users x width: days since the user last took the candidate, NaN: never; or one
        such array for each event type that `repeat` names. None: no user took anything.
    exclude
        users x items; an entry keeps the item out of the user's list, besides the rules
        (what the user has seen). Candidates that it names are dropped, too.
    """
    items, fill = fixed(items, np.int32), fixed(fill, np.int32)
    check_block(items, scores, users, fill, len(compiled.items))
    kept_out = _kept_out(compiled, users, exclude)
    access = readonly(
        Access(
            compiled.masks,
            compiled.mask_rows(users),
            kept_out.indptr.astype(np.int64),
            kept_out.indices.astype(np.int32),
        )
    )
    usable = np.zeros(items.shape, dtype=np.bool_)
    find_usable(items, access, usable)
    utility = _utility(compiled, items, scores, usable, last_taken_days)
    plan, lists = compiled.plan, None
    if (floor := plan.lone_floor(compiled.policy)) is not None:
        members = plan.floor_members[0]
        reserve = Reserve(fill[members[fill]], items, access)
        lists = lift(items, utility, members, floor, n, reserve=reserve)
    elif not plan.reorders(compiled.policy):
        lists = _best_first(items, utility, fill, access, n)
    if lists is None:
        rules = block_rules(
            compiled, users, items=items, utility=utility, access=access, fill=fill, run_id=run_id
        )
        lists = _empty((len(users), n))
        memory = block_memory(rules)
        walk(lists, rules, memory)
        if len(rules.chance.places):
            memory.marks[:] = -1
            explore(lists, rules, memory)
        finish(lists)
    return _arranged(lists, scores)


def _utility(
    compiled: CompiledPolicy, items: Rows, scores: Floats, usable: Bools, days: Days | None
) -> Floats:
    rules, plan = compiled.policy, compiled.plan
    if not plan.scores_change(rules):
        return np.where(usable, scores, np.float32(-np.inf))
    usable &= ~too_soon(rules, days, items.shape)
    return utilities(rules, plan.terms, plan.logs, items, scores, usable, days)


def _empty(shape: tuple[int, int]) -> Lists:
    return Lists(
        rows=np.full(shape, -1, dtype=np.int32),
        places=np.full(shape, -1, dtype=np.int32),
        values=np.full(shape, -np.inf, dtype=np.float32),
        why=np.zeros(shape, dtype=np.int8),
        propensity=np.zeros(shape, dtype=np.float32),
    )


def _arranged(lists: Lists, scores: Floats) -> Arranged:
    there = lists.rows >= 0
    relevance = np.zeros(lists.rows.shape, dtype=np.float32)
    users, slots = np.nonzero(lists.places >= 0)
    relevance[users, slots] = scores[users, lists.places[users, slots]]
    added = np.zeros(lists.rows.shape, dtype=np.float32)
    np.subtract(lists.values, relevance, out=added, where=there)
    return Arranged(
        rows=lists.rows,
        places=lists.places,
        scores=lists.values,
        why=lists.why,
        propensity=lists.propensity,
        adjustments=added,
        shortfall=(lists.rows.shape[1] - there.sum(axis=1)).astype(np.int32),
    )


def _best_first(items: Rows, utility: Floats, fill: Rows, access: Access, n: int) -> Lists:
    """Lists where no rule reorders: the most valuable candidates, then the fall-back order."""
    lists = _empty((len(items), n))
    depth = min(n, items.shape[1])
    if depth:
        found = best_places(utility, depth)
        best = np.take_along_axis(utility, found, axis=1)
        there = best > -np.inf
        lists.places[:, :depth] = np.where(there, found, -1)
        lists.rows[:, :depth] = np.where(there, np.take_along_axis(items, found, axis=1), -1)
        lists.values[:, :depth] = best
    if (lists.rows[:, -1:] < 0).any():
        top_up(lists.rows, lists.values, items, fill, access)
    there = lists.rows >= 0
    lists.why[there & (lists.places < 0)] = FILL
    lists.propensity[there] = 1.0
    return lists


def _kept_out(
    compiled: CompiledPolicy, users: UserFacts, exclude: sparse.csr_matrix | None
) -> sparse.csr_matrix:
    ruled = compiled.exclude(users)
    if exclude is None:
        return ruled
    shape = (len(users), len(compiled.items))
    if exclude.shape != shape:
        raise ContractError(
            f"shape {exclude.shape} for {shape[0]} users and {shape[1]} items",
            where="exclude",
            fix="give users x items of this block",
        )
    return union(sparse.csr_matrix(exclude), ruled)
