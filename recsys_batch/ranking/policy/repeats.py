"""Items that the user has already taken: which may not be shown again yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy.arranging import RepeatRule
from recsys_batch.ranking.policy.facts import Bools, Floats
from recsys_batch.ranking.policy.pairs import nothing, union
from recsys_batch.ranking.policy.settings import Policy

Days = Floats | Mapping[str, Floats]
T = TypeVar("T", Floats, sparse.csr_matrix)


def repeats(policy: Policy, days: T | Mapping[str, T] | None) -> list[tuple[RepeatRule, T]]:
    """Each rule on repeats, with the days since the user took the items in its way."""
    if days is None:
        return []
    named = days if isinstance(days, Mapping) else {"any": days}
    if missing := sorted(set(policy.repeat) - set(named)):
        raise ContractError(
            f"nothing is said of items taken by {', '.join(missing)}",
            where="days since an item was taken",
            fix="give an array for each event type that `repeat` names, or name `any` there",
        )
    return [(rule, named[kind]) for kind, rule in policy.repeat.items()]


def _early(rule: RepeatRule, taken: Floats) -> Bools:
    return taken >= 0 if rule.after_days is None else taken < rule.after_days


def too_soon(policy: Policy, days: Days | None, shape: tuple[int, ...]) -> Bools:
    """Which candidates the user has taken and may not be shown yet: bool, users x width."""
    out = np.zeros(shape, dtype=np.bool_)
    for rule, taken in repeats(policy, days):
        out |= _early(rule, taken)
    return out


def too_soon_pairs(
    policy: Policy,
    days: sparse.csr_matrix | Mapping[str, sparse.csr_matrix],
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    """Do the same for users x items: an entry of the result keeps the item out."""
    out = nothing(shape)
    for rule, taken in repeats(policy, days):
        early = _early(rule, taken.data).astype(np.int8)
        kept_out = sparse.csr_matrix((early, taken.indices.copy(), taken.indptr.copy()), shape)
        kept_out.eliminate_zeros()
        out = union(out, kept_out)
    return out
