"""A block of users to lists: small cases worked out by hand, and a plain oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ranking.cases import catalog, excluded, named, oracle
from recsys_batch.ranking.blocks import PERSONAL, POPULAR, REGIONAL, RankedBlock, rank_block
from recsys_batch.ranking.catalog import Catalog

SHOP = catalog(
    ["a", "b", "c", "d", "e", "f"],
    vectors={"a": [1, 0], "b": [0, 1], "c": [1, 1], "d": [-1, 0]},
    popular={"e": 1.0, "a": 0.5, "f": 0.25},
    regional={"north": {"f": 1.0, "b": 0.5}, "nowhere": {}},
)


def rank(
    known: Catalog = SHOP,
    *,
    vector: list[float] | None = None,
    region: str | None = None,
    taken: list[int] | None = None,
    n: int = 4,
) -> RankedBlock:
    width = known.factors.shape[1]
    return rank_block(
        known,
        vectors=np.array([vector or [0.0] * width], dtype=np.float32),
        known=np.array([vector is not None]),
        regions=[region],
        exclude=excluded([taken or []], len(known.ids)),
        n=n,
    )


def test_a_known_user_gets_the_models_items_by_score_then_id():
    block = rank(vector=[2, 1])  # a 2, b 1, c 3, d -2
    assert named(SHOP, block) == ["c", "a", "b", "d"]
    assert block.scores[0].tolist() == [3, 2, 1, -2]
    assert block.sources[0].tolist() == [PERSONAL] * 4
    assert named(SHOP, rank(vector=[1, 1], n=3)) == ["c", "a", "b"]  # a and b tie


def test_a_list_goes_on_with_the_region_and_then_with_all_below_the_last_score():
    block = rank(vector=[2, 1], region="north", n=6)
    assert named(SHOP, block) == ["c", "a", "b", "d", "f", "e"]
    assert block.sources[0].tolist() == [PERSONAL] * 4 + [REGIONAL, POPULAR]
    # d has -2: f's share of 1 is lowered by 4 to -3, e's share of 1 by 5 to -4.
    assert block.scores[0].tolist() == [3, 2, 1, -2, -3, -4]


def test_a_user_without_factors_gets_what_is_popular_and_then_what_nobody_touched_by_id():
    block = rank(n=6)
    assert named(SHOP, block) == ["e", "a", "f", "b", "c", "d"]
    assert block.scores[0].tolist() == [1.0, 0.5, 0.25, 0, 0, 0]
    assert set(block.sources[0]) == {POPULAR}


def test_a_user_without_factors_gets_the_region_first():
    assert named(SHOP, rank(region="north", n=6)) == ["f", "b", "e", "a", "c", "d"]


@pytest.mark.parametrize("region", [None, "unheard of", "nowhere", ""])
def test_a_region_that_is_none_or_unknown_or_empty_falls_through(region):
    assert named(SHOP, rank(region=region)) == named(SHOP, rank())


def test_what_is_seen_is_left_out_of_every_source():
    assert named(SHOP, rank(vector=[2, 1], region="north", taken=[2, 5], n=6)) == list("abde")
    assert named(SHOP, rank(region="north", taken=[5, 4], n=6)) == list("bacd")


def test_what_is_blocked_is_in_no_list():
    shop = catalog(
        SHOP.ids, vectors={"a": [1], "b": [2]}, popular={"e": 1}, blocked=["b", "e", "f"]
    )
    assert named(shop, rank(shop, vector=[1], n=6)) == ["a", "c", "d"]


def test_a_user_who_saw_everything_gets_an_empty_list():
    block = rank(vector=[2, 1], region="north", taken=[0, 1, 2, 3, 4, 5])
    assert (block.rows == -1).all()
    assert np.isneginf(block.scores).all()


def test_n_beyond_the_catalogue_pads():
    block = rank(vector=[2, 1], n=9)
    assert named(SHOP, block) == ["c", "a", "b", "d", "e", "f"]
    assert block.rows[0, 6:].tolist() == [-1] * 3
    assert np.isneginf(block.scores[0, 6:]).all()


def test_shares_that_round_to_one_score_are_ordered_by_id():
    # Below a personal score of -1 the shares are lowered by 3, where both round to -3.
    shop = catalog(["a", "b", "z"], vectors={"z": [1.0]}, popular={"b": 2e-9, "a": 1e-9, "z": 1})
    block = rank(shop, vector=[-1.0], n=3)
    assert named(shop, block) == ["z", "a", "b"]
    assert block.scores[0].tolist() == [-1, -3, -3]


@st.composite
def blocks(draw: st.DrawFn) -> dict:
    """Catalogs and users with many ties: halves are exact, so every engine agrees on a score."""
    size, width = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    users = draw(st.integers(1, 5))
    ids = [f"i{row:02}" for row in range(size)]
    halves = st.integers(-4, 4).map(lambda number: number / 2)
    vectors = draw(arrays(np.float32, (users, width), elements=halves.map(np.float32)))
    factors = {
        item: draw(st.lists(halves, min_size=width, max_size=width))
        for item in ids
        if draw(st.booleans())
    }
    quarters = st.dictionaries(st.sampled_from(ids), st.sampled_from([0.25, 0.5, 1.0]))
    shop = catalog(
        ids,
        vectors=factors or {ids[0]: [0.0] * width},
        popular=draw(quarters),
        regional={"north": draw(quarters), "south": draw(quarters)},
        blocked=draw(st.lists(st.sampled_from(ids))),
    )
    rows = st.sets(st.integers(0, size - 1))
    return {
        "known_catalog": shop,
        "vectors": vectors,
        "known": draw(arrays(np.bool_, users)),
        "regions": draw(
            st.lists(
                st.sampled_from(["north", "south", "east", None]), min_size=users, max_size=users
            )
        ),
        "taken": [sorted(draw(rows)) for _ in range(users)],
        "n": draw(st.integers(1, size + 2)),
    }


@settings(max_examples=200, deadline=None)
@given(case=blocks())
def test_lists_equal_the_oracle_and_keep_every_promise(case):
    shop, n, taken = case["known_catalog"], case["n"], case["taken"]
    block = rank_block(
        shop,
        vectors=case["vectors"],
        known=case["known"],
        regions=case["regions"],
        exclude=excluded(taken, len(shop.ids)),
        n=n,
    )
    for user, known in enumerate(case["known"]):
        wanted = oracle(
            shop,
            vector=case["vectors"][user] if known else None,
            region=case["regions"][user],
            taken=set(taken[user]),
            n=n,
        )
        length = len(wanted)
        rows = block.rows[user, :length].tolist()
        assert list(zip(rows, block.sources[user, :length].tolist(), strict=True)) == wanted
        assert (block.rows[user, length:] == -1).all()
        allowed = int(shop.allowed.sum()) - int(shop.allowed[taken[user]].sum())
        assert length == min(n, allowed)
        scores = block.scores[user, :length].tolist()
        order = list(zip([-score for score in scores], rows, strict=True))
        assert order == sorted(order)


@settings(max_examples=50, deadline=None)
@given(case=blocks(), cut=st.integers(0, 5))
def test_lists_do_not_depend_on_the_block_a_user_is_in(case, cut):
    shop, users = case["known_catalog"], len(case["known"])

    def some(rows: slice) -> RankedBlock:
        return rank_block(
            shop,
            vectors=case["vectors"][rows],
            known=case["known"][rows],
            regions=case["regions"][rows],
            exclude=excluded(case["taken"][rows], len(shop.ids)),
            n=case["n"],
        )

    whole, parts = some(slice(0, users)), [some(slice(0, cut)), some(slice(cut, users))]
    for name in ("rows", "scores", "sources"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(whole, name), joined)
