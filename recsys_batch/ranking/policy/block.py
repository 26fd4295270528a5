"""What the compiled loops need to arrange a block of users: the plan by user, and memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy.base import Audience
from recsys_batch.ranking.policy.facts import Bools, Floats, Rows, UserFacts
from recsys_batch.ranking.policy.plan import Plan
from recsys_batch.ranking.policy.settings import Policy
from recsys_batch.ranking.policy.state import (
    CALIBRATION,
    CATEGORIES,
    NO_LIKENESS,
    VECTORS,
    Access,
    Candidates,
    Caps,
    Chance,
    Fill,
    Floors,
    Likeness,
    Memory,
    Pins,
    Rules,
    readonly,
)
from recsys_batch.ranking.policy.utility import spreads

if TYPE_CHECKING:
    from recsys_batch.ranking.policy.compile import CompiledPolicy

_WHOLE = np.iinfo(np.int64).max  # of a list


def block_rules(
    compiled: CompiledPolicy,
    users: UserFacts,
    *,
    items: Rows,
    utility: Floats,
    access: Access,
    fill: Rows,
    run_id: str,
) -> Rules:
    """Gather all that arranges a block."""
    plan, policy = compiled.plan, compiled.policy
    rules = Rules(
        candidates=Candidates(items, utility, *spreads(utility)),
        access=access,
        pins=_pins(plan, users),
        caps=_caps(plan, users),
        floors=_floors(plan, users),
        fill=_fill(plan, fill),
        likeness=_likeness(compiled, users),
        chance=_chance(plan, policy, users, run_id=run_id),
    )
    return readonly(rules)


def block_memory(rules: Rules) -> Memory:
    """Working memory that fits."""
    width = rules.candidates.items.shape[1]
    items = rules.access.masks.shape[1]
    floors = len(rules.floors.first)
    return Memory(
        marks=np.full(items, -1, dtype=np.int32),
        free=np.zeros(width, dtype=np.bool_),
        penalty=np.zeros(width),
        nearest=np.zeros(width, dtype=np.float32),
        local=np.zeros((rules.likeness.vectors.shape[1], width), dtype=np.float32),
        counts=np.zeros((len(rules.caps.first), rules.caps.width), dtype=np.int32),
        shown=np.zeros(floors, dtype=np.int64),
        wanting=np.zeros(floors, dtype=np.bool_),
        spread=np.zeros(rules.likeness.tastes.shape[1] + 1, dtype=np.int64),
        cursors=np.zeros((1 + floors, 2), dtype=np.int64),
        pools=np.full(width, -1, dtype=np.int32),
    )


def _holds(audiences: Sequence[Audience], users: UserFacts) -> Bools:
    """Which rules hold of which users: bool, users x rules."""
    out = np.ones((len(users), len(audiences)), dtype=np.bool_)
    for place, audience in enumerate(audiences):
        if audience.is_everybody():
            continue
        cohorts = users.cohorts or [None] * len(users)
        for names, own in (
            (audience.regions, users.regions),
            (audience.cohorts, cohorts),
            (audience.users, users.keys),
        ):
            if names:
                out[:, place] &= np.array([each in names for each in own], dtype=np.bool_)
    return out


def _pins(plan: Plan, users: UserFacts) -> Pins:
    """Pins of a block."""
    places = np.array([pin.position - 1 for pin in plan.pins], dtype=np.int64)
    return Pins(plan.pin_rows, places, _holds([pin.audience for pin in plan.pins], users))


def _caps(plan: Plan, users: UserFacts) -> Caps:
    """Caps of a block; those that do not hold of a user allow everything."""
    most = np.array([cap.most for cap in plan.caps], dtype=np.int32)
    holds = _holds([cap.audience for cap in plan.caps], users)
    return Caps(
        plan.cap_groups,
        np.where(holds, most, np.iinfo(np.int32).max).astype(np.int32),
        np.array([cap.first or _WHOLE for cap in plan.caps], dtype=np.int64),
        int(plan.cap_groups.max(initial=-1)) + 1,
    )


def _floors(plan: Plan, users: UserFacts) -> Floors:
    """Floors of a block."""
    shares = np.array([floor.share for floor in plan.floors], dtype=np.float64)
    holds = _holds([floor.audience for floor in plan.floors], users)
    first = np.array([floor.first or _WHOLE for floor in plan.floors], dtype=np.int64)
    return Floors(plan.floor_members, np.where(holds, shares, 0.0), first)


def _fill(plan: Plan, fill: Rows) -> Fill:
    """Return the fall-back order, and that of each floor's members."""
    orders = [fill, *(fill[members[fill]] for members in plan.floor_members)]
    starts = np.concatenate([[0], np.cumsum([len(order) for order in orders])])
    return Fill(np.concatenate(orders).astype(np.int32), starts.astype(np.int64))


def _chance(plan: Plan, policy: Policy, users: UserFacts, *, run_id: str) -> Chance:
    """Places of a block that are drawn for, with each user's own numbers."""
    rules = policy.exploration
    places = np.sort(np.array(rules.positions, dtype=np.int64)) - 1
    draws = np.array(
        [[uniform(run_id, key, f"exploration {place}") for place in places] for key in users.keys]
    ).reshape(len(users), len(places))
    return Chance(
        places, rules.pool, plan.drawable, rules.temperature or 0.0, rules.uniform_share, draws
    )


def uniform(run_id: str, key: str, what: str) -> float:
    """Draw a number of [0, 1) that depends on nothing but these names (BLAKE2b)."""
    content = "\0".join((run_id, key, what)).encode()
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / float(1 << 53)


def _likeness(compiled: CompiledPolicy, users: UserFacts) -> Likeness:
    diversity, vectors = compiled.policy.diversity, compiled.plan.vectors
    categories = len(compiled.items.category_names)
    method = NO_LIKENESS
    if diversity.method == "calibration":
        method = CALIBRATION
    elif diversity.method == "mmr":
        method = VECTORS if vectors.shape[1] else CATEGORIES
    if users.tastes is not None and users.tastes.shape[1] != categories:
        raise ContractError(
            f"{users.tastes.shape[1]} columns for {categories} categories",
            where="UserFacts.tastes",
            fix="give a column for each of ItemFacts.category_names",
        )
    return Likeness(
        method=method,
        factor=diversity.weight / (1.0 - diversity.weight),
        first=diversity.first or _WHOLE,
        codes=compiled.items.categories,
        vectors=vectors,
        tastes=_normalised(users.tastes, (len(users), categories)),
        smoothing=diversity.smoothing,
    )


def _normalised(tastes: Floats | None, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Rows scaled to sum one; zero rows, and all where nothing is known, are zero."""
    if tastes is None:
        return np.zeros(shape)
    wide = np.maximum(tastes.astype(np.float64), 0.0)
    sums = wide.sum(axis=1, keepdims=True)
    result: npt.NDArray[np.float64] = wide / np.where(sums > 0, sums, 1.0)
    return result
