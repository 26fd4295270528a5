"""Blocks as a run has them: compiled once, whatever the arrays are made of, and fast."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ranking.policy.cases import DAY, item_facts, policy, some_users
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.policy.compile import compile_policy
from recsys_batch.ranking.policy.walk import walk

USERS, WIDTH, ITEMS, N = 256, 400, 20_000, 100


def seconds(rules: Policy) -> float:
    """Shortest time of three for a block."""
    rng = np.random.default_rng(0)
    facts = item_facts(
        ITEMS,
        categories=rng.integers(0, 3, ITEMS),
        vectors=rng.standard_normal((ITEMS, 64)),
        popularity=rng.random(ITEMS),
    )
    compiled = compile_policy(rules, facts, as_of=DAY)
    own = np.argsort(rng.random((USERS, ITEMS // 20)), axis=1)[:, :WIDTH] * 20
    items = np.sort(own, axis=1).astype(np.int32)
    scores = rng.standard_normal((USERS, WIDTH)).astype(np.float32)
    taken = []
    for _ in range(3):
        start = time.process_time()
        compiled.arrange(
            items,
            scores,
            some_users(USERS),
            n=N,
            run_id="run",
            fill=np.arange(ITEMS, dtype=np.int32),
        )
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.slow
def test_a_block_without_rules_costs_next_to_nothing() -> None:
    assert seconds(policy()) < 0.03


@pytest.mark.slow
def test_one_floor_costs_little_more() -> None:
    assert seconds(policy(floors=[{"group": {"less_popular_than": 0.1}, "share": 0.05}])) < 0.06


@pytest.mark.slow
def test_caps_and_mmr_cost_less_than_a_third_of_a_second() -> None:
    caps = [{"each": "category", "most": 40}, {"group": {"less_popular_than": 0.5}, "most": 30}]
    for likeness in ("category", "vectors"):
        rules = policy(caps=caps, diversity={"method": "mmr", "likeness": likeness})
        assert seconds(rules) < 0.3


def test_loops_are_compiled_once_whatever_the_arrays_are_made_of() -> None:
    facts = item_facts(6, categories=[0, 0, 1, 1, 2, 2])
    wide = np.zeros((1, 12), dtype=np.int32)
    wide[:, ::2] = np.arange(6)
    fixed = np.arange(6, dtype=np.int32)
    fixed.flags.writeable = False
    facts.categories.flags.writeable = False
    compiled = compile_policy(policy(caps=[{"each": "category", "most": 1}]), facts, as_of=DAY)
    scores = np.asfortranarray(np.ones((1, 6), dtype=np.float32))
    lists = [
        compiled.arrange(items, scores, some_users(1), n=3, run_id="run", fill=fill)
        for items in (wide[:, ::2], fixed[None], fixed[None].astype(np.int64))
        for fill in (fixed[::-1], fixed.tolist())
    ]
    assert {each.rows.tobytes() for each in lists} == {np.array([[0, 2, 4]], "i4").tobytes()}
    assert len(walk.signatures) == 1
