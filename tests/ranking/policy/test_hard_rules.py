"""What may be shown to whom."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse

from ranking.policy.cases import DAY, arranged, item_facts, policy, some_users
from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy import FILL, PIN, RELEVANCE, ItemFacts
from recsys_batch.ranking.policy.compile import compile_policy

NAN = float("nan")


def shop() -> ItemFacts:
    return item_facts(
        6,
        categories=[0, 0, 1, 2, 2, -1],
        prices=[5, 20, 10, 8, NAN, 10],
        age_days=[1, 10, 100, 5, 50, NAN],
        tags=[["gift"], [], ["gift", "sale"], [], ["sale"], []],
    )


def allowed(region: str | None = None, **rules: object) -> list[int]:
    compiled = compile_policy(policy(**rules), shop(), as_of=DAY)
    return np.flatnonzero(compiled.allowed(region)).tolist()


def test_without_rules_everything_on_offer_is_allowed() -> None:
    facts = item_facts(
        4, recommendable=[True, False, True, True], available=[True, True, False, True]
    )
    compiled = compile_policy(policy(), facts, as_of=DAY)
    assert compiled.allowed(None).tolist() == compiled.allowed("north").tolist()
    assert np.flatnonzero(compiled.allowed()).tolist() == [0, 3]
    assert compiled.warnings == ()


def test_block_and_allow_lists() -> None:
    assert allowed(everywhere={"block": {"items": ["i1"], "tags": ["sale"]}}) == [0, 3, 5]
    assert allowed(everywhere={"allow": {"categories": ["books", "wine"]}}) == [0, 1, 3, 4]
    both = {"allow": {"categories": ["books"]}, "block": {"items": ["i0"]}}
    assert allowed(everywhere=both) == [1]


def test_limits_of_a_group_narrow_what_it_names() -> None:
    dear_books = {"categories": ["books"], "dearer_than": 5}
    assert allowed(everywhere={"block": dear_books}) == [0, 2, 3, 4, 5]
    assert allowed(everywhere={"block": {"newer_than_days": 10}}) == [1, 2, 4, 5]


def test_limits_include_their_ends_and_shut_out_what_is_unknown() -> None:
    assert allowed(everywhere={"price": {"least": 8, "most": 10}}) == [2, 3, 5]
    assert allowed(everywhere={"price": {"most": 8, "unknown": True}}) == [0, 3, 4]
    assert allowed(everywhere={"item_age_days": {"most": 10}}) == [0, 1, 3]


def test_regions_add_to_what_holds_everywhere() -> None:
    rules = {
        "everywhere": {"block": {"items": ["i0"]}},
        "regions": {"north": {"allow": {"categories": ["books"]}}},
    }
    assert allowed("north", **rules) == [1]
    assert allowed("south", **rules) == allowed(None, **rules) == [1, 2, 3, 4, 5]


def test_nothing_lifts_a_safety_filter() -> None:
    rules = policy(
        safety={"block": {"items": ["i1"]}},
        everywhere={"allow": {"items": ["i1", "i2"]}},
        pins=[{"item": "i1", "position": 1}],
        floors=[{"group": {"items": ["i1"]}, "share": 1}],
        exploration={"positions": [1]},
    )
    lists = arranged(rules, shop(), [9, 9, 1, 0, 0, 0], n=2, fill=range(6))
    assert lists.rows.tolist() == [[2, -1]] and lists.shortfall.tolist() == [1]


def test_users_are_kept_from_items_by_cohort_key_and_age() -> None:
    rules = policy(
        safety={"ages": [{"group": {"categories": ["wine"]}, "from_years": 18}]},
        cohorts={"trial": {"price": {"most": 9}}},
        users={"u2": {"block": {"items": ["i0"]}}},
    )
    compiled = compile_policy(rules, shop(), as_of=DAY)
    users = some_users(
        4,
        cohorts=["trial", None, None, "other"],
        age_years=np.array([30, 17.9, 18, NAN], dtype=np.float32),
    )
    out = compiled.exclude(users)
    assert [out[user].indices.tolist() for user in range(4)] == [
        [1, 2, 4, 5],
        [3, 4],
        [0],
        [3, 4],
    ]
    assert compiled.exclude(some_users(1)).indices.tolist() == [3, 4]
    unknown = policy(
        safety={"ages": [{"group": {"categories": ["wine"]}, "from_years": 18, "unknown": True}]}
    )
    assert compile_policy(unknown, shop(), as_of=DAY).exclude(some_users(1)).nnz == 0


def test_what_rules_name_in_vain_is_told() -> None:
    rules = policy(
        safety={"block": {"items": ["i1", "gone"]}},
        regions={"north": {"allow": {"categories": ["toys"], "tags": ["gift", "new"]}}},
        pins=[{"item": "lost", "position": 1}],
        weights={"margin": 1},
        diversity={"method": "mmr", "likeness": "vectors"},
    )
    assert compile_policy(rules, shop(), as_of=DAY).warnings == (
        "safety.block.items: no item is known of item 'gone'",
        "regions.north.allow.categories: no item is known of category 'toys'",
        "regions.north.allow.tags: no item is known of tag 'new'",
        "weights.margin: no item's margin is known",
        "pins.0.item: no item is known of item 'lost'",
        "diversity.likeness: items have no vectors; categories are taken",
    )


def test_without_rules_lists_are_relevance_then_the_fall_back_order() -> None:
    facts = item_facts(7, recommendable=[True] * 6 + [False])
    lists = arranged(
        policy(),
        facts,
        [[0.5, 0.5, 2.5], [-np.inf, -np.inf, -np.inf]],
        candidates=[[1, 3, 4], [-1, -1, -1]],
        n=5,
        fill=[6, 4, 5, 0, 0, 2],
    )
    assert lists.rows.tolist() == [[4, 1, 3, 5, 0], [4, 5, 0, 2, -1]]
    assert lists.places.tolist() == [[2, 0, 1, -1, -1], [-1] * 5]
    expected = [[2.5, 0.5, 0.5, -1.0, -1.2], [1.0, 0.8, 0.6, 0.4, -np.inf]]
    np.testing.assert_allclose(lists.scores, expected, rtol=1e-6)
    assert lists.why.tolist() == [
        [RELEVANCE] * 3 + [FILL] * 2,
        [FILL] * 4 + [RELEVANCE],
    ]
    assert lists.adjustments[0].tolist()[:3] == [0, 0, 0]
    assert lists.shortfall.tolist() == [0, 1]


def test_what_the_caller_excludes_is_in_no_list() -> None:
    seen = sparse.csr_matrix(np.array([[1, 0, 0, 1]]))
    for rules in (policy(), policy(caps=[{"each": "category", "most": 1}])):
        lists = arranged(rules, item_facts(4), [3, 2], n=4, fill=[3, 2, 1, 0], exclude=seen)
        assert lists.rows.tolist() == [[1, 2, -1, -1]]


def test_compiled_rules_pickle() -> None:
    rules = policy(pins=[{"item": "i3", "position": 2}], caps=[{"each": "category", "most": 1}])
    compiled = pickle.loads(pickle.dumps(compile_policy(rules, shop(), as_of=DAY)))
    lists = compiled.arrange(
        np.arange(6, dtype=np.int32)[None],
        np.arange(6, dtype=np.float32)[None],
        some_users(1),
        n=3,
        run_id="run",
        fill=np.zeros(0, dtype=np.int32),
    )
    assert lists.rows.tolist() == [[5, 3, 2]] and lists.why.tolist() == [[0, PIN, 0]]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scores": [[NAN, 1, 1, 1, 1, 1]]}, "not finite"),
        ({"users": some_users(2)}, "for 2 users"),
        ({"candidates": [[0, 1, 2, 3, 4, 6]]}, "beyond the 6 items"),
        ({"candidates": [[0, 1, 2, 3, 5, 4]]}, "do not ascend"),
        ({"candidates": [[0, 1, 2, -1, 4, 5]]}, "do not ascend"),
        ({"fill": [7]}, "fill: an item row beyond"),
        ({"exclude": sparse.csr_matrix((1, 5))}, "1 users and 6 items"),
        ({"users": some_users(1, tastes=np.ones((1, 2), dtype="f4"))}, "2 columns for 3"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, complaint: str) -> None:
    given = {"scores": [[1, 1, 1, 1, 1, 1]], **change}
    with pytest.raises(ContractError, match=complaint):
        arranged(policy(diversity={"method": "calibration"}), shop(), n=2, **given)


def test_columns_of_facts_have_a_row_each() -> None:
    with pytest.raises(ContractError, match=r"ItemFacts\.prices: 2 rows for 3 ids"):
        item_facts(3, prices=[1, 2])
    with pytest.raises(ContractError, match=r"UserFacts\.regions: 1 rows for 2 keys"):
        some_users(2, regions=["north"])


def test_blocks_without_users_or_without_candidates() -> None:
    everything = policy(
        pins=[{"item": "i1", "position": 2}],
        caps=[{"each": "category", "most": 1}],
        diversity={"method": "calibration"},
        exploration={"positions": [1]},
        weights={"novelty": 1},
        popularity_debias=1,
        repeat={"any": {"after_days": 3}},
    )
    for rules in (policy(), everything):
        none = np.zeros((0, 4), dtype=np.float32)
        lists = arranged(rules, shop(), none, candidates=none, users=some_users(0), n=3)
        assert lists.rows.shape == (0, 3) and lists.shortfall.shape == (0,)
        empty = np.zeros((2, 0), dtype=np.float32)
        lists = arranged(rules, shop(), empty, candidates=empty, users=some_users(2), n=3)
        pinned = [1, -1, -1] if rules.pins else [-1, -1, -1]
        assert lists.rows.tolist() == [pinned, pinned]
