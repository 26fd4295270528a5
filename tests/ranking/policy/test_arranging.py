"""Each rule that arranges lists, by examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ranking.policy.cases import DAY, arranged, item_facts, policy, some_users
from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy import FILL, FLOOR, PIN, RELEVANCE
from recsys_batch.ranking.policy.compile import compile_policy

NAN = float("nan")
UP, DOWN = np.float32(np.inf), np.float32(-np.inf)


def test_a_cap_holds_as_far_as_it_reaches() -> None:
    facts = item_facts(6, categories=[0, 0, 0, 1, 1, -1])
    rules = policy(caps=[{"each": "category", "most": 1, "first": 3}])
    lists = arranged(rules, facts, [6, 5, 4, 3, 2, 1], n=6)
    # One of each in the first three places, then the best that are left: their scores are lowered
    # to what stands above them.
    assert lists.rows.tolist() == [[0, 3, 5, 1, 2, 4]]
    one = np.nextafter(np.float32(1), DOWN)
    two = np.nextafter(one, DOWN)
    assert lists.scores.tolist() == [[6, 3, 1, one, two, np.nextafter(two, DOWN)]]
    assert set(lists.why[0].tolist()) == {RELEVANCE}


def test_caps_give_way_only_when_the_fall_back_order_is_used_up() -> None:
    facts = item_facts(5, categories=[0, 0, 0, 1, 0])
    rules = policy(caps=[{"group": {"categories": ["books"]}, "most": 1}])
    lists = arranged(rules, facts, [3, 2, 1], n=5, fill=[4, 3])
    assert lists.rows.tolist() == [[0, 3, 1, 2, 4]]
    assert lists.why.tolist() == [[RELEVANCE, FILL, RELEVANCE, RELEVANCE, FILL]]


def test_caps_hold_for_their_audience() -> None:
    facts = item_facts(3, categories=[0, 0, 1])
    rules = policy(caps=[{"each": "category", "most": 1, "audience": {"regions": ["north"]}}])
    users = some_users(2, regions=["north", "south"])
    lists = arranged(rules, facts, [[3, 2, 1], [3, 2, 1]], n=2, users=users)
    assert lists.rows.tolist() == [[0, 2], [0, 1]]


def test_pins_take_their_places_and_count_towards_caps() -> None:
    facts = item_facts(5, categories=[0, 0, 1, 0, 1])
    rules = policy(
        caps=[{"each": "category", "most": 1, "first": 2}],
        pins=[
            {"item": "i3", "position": 2},
            {"item": "i4", "position": 2, "audience": {"users": ["u0"]}},
            {"item": "i0", "position": 1, "period": {"first_day": "2026-02-01"}},
        ],
    )
    lists = arranged(rules, facts, [5, 4, 3], n=4, fill=[])
    # i3 has place 2 and counts as a book, so place 1 is for a film; i4 moves down to place 3.
    assert lists.rows.tolist() == [[2, 3, 4, 0]]
    assert lists.why.tolist() == [[RELEVANCE, PIN, PIN, RELEVANCE]]
    # The book with 5 is lowered below the film with 3; the pins stand just above it.
    last = np.nextafter(np.float32(3), DOWN)
    assert lists.scores[0, 3] == last and lists.places.tolist() == [[2, -1, -1, 0]]
    keys = list(zip(-lists.scores[0], lists.rows[0], strict=True))
    assert keys == sorted(keys)


def test_a_pin_at_the_top_is_raised_just_above_the_best() -> None:
    rules = policy(pins=[{"item": "i2", "position": 1}])
    lists = arranged(rules, item_facts(3), [3, 2, 1], n=3)
    assert lists.rows.tolist() == [[2, 0, 1]]
    assert lists.scores.tolist() == [[np.nextafter(np.float32(3), UP), 3, 2]]
    np.testing.assert_allclose(lists.adjustments, [[2, 0, 0]], atol=1e-6)


def test_floors_hold_in_every_beginning() -> None:
    rules = policy(floors=[{"group": {"tags": ["local"]}, "share": 0.5, "first": 4}])
    facts = item_facts(6, tags=[[], [], [], ["local"], ["local"], ["local"]])
    lists = arranged(rules, facts, [6, 5, 4, 2, 1, 0], n=6)
    assert lists.rows.tolist() == [[0, 3, 1, 4, 2, 5]]
    assert lists.why.tolist() == [[RELEVANCE, FLOOR, RELEVANCE, FLOOR, RELEVANCE, RELEVANCE]]
    five, four = (np.nextafter(np.float32(value), UP) for value in (5, 4))
    assert lists.scores.tolist() == [[6, five, 5, four, 4, 0]]
    np.testing.assert_allclose(lists.adjustments, [[0, 3, 0, 3, 0, 0]], atol=1e-5)


def test_a_floor_to_which_no_item_belongs_reorders_nothing() -> None:
    rules = policy(floors=[{"group": {"newer_than_days": 7}, "share": 0.5}])
    old = compile_policy(rules, item_facts(3), as_of=DAY)
    assert not old.plan.reorders(rules)
    assert arranged(rules, item_facts(3), [1, 3, 2], n=3).rows.tolist() == [[1, 2, 0]]
    some = compile_policy(rules, item_facts(3, age_days=[100, 1, 100]), as_of=DAY)
    assert some.plan.reorders(rules)


def test_floors_take_members_from_the_fall_back_order_but_obey_caps() -> None:
    facts = item_facts(6, categories=[0, 0, 0, 1, 1, 1])
    floor = {"group": {"categories": ["films"]}, "share": 0.5}
    rules = policy(floors=[floor])
    assert arranged(rules, facts, [3, 2, 1], n=4, fill=[5, 3]).rows.tolist() == [[0, 5, 1, 3]]
    rules = policy(floors=[floor], caps=[{"group": {"categories": ["films"]}, "most": 1}])
    assert arranged(rules, facts, [3, 2, 1], n=4, fill=[5, 3]).rows.tolist() == [[0, 5, 1, 2]]


def test_mmr_by_category() -> None:
    facts = item_facts(4, categories=[0, 0, 1, 2])
    rules = policy(diversity={"method": "mmr", "weight": 0.5})
    lists = arranged(rules, facts, [1.0, 0.9, 0.5, 0.0], n=4)
    # .5 * relevance - .5 * likeness: 1 first; then .5 (.25) before 0 (0) before .9 (.45 - .5).
    assert lists.rows.tolist() == [[0, 2, 3, 1]]
    np.testing.assert_allclose(lists.scores, [[1.0, 0.5, 0.0, -0.1]], atol=1e-6)
    np.testing.assert_allclose(lists.adjustments, [[0, 0, 0, -1]], atol=1e-6)


def test_mmr_by_vectors_of_any_length() -> None:
    facts = item_facts(4, vectors=[[2, 0], [3, 4], [0, 0.5], [0, 0]])
    rules = policy(diversity={"method": "mmr", "weight": 0.5, "likeness": "vectors"})
    lists = arranged(rules, facts, [1.0, 0.8, 0.0, 0.1], n=4)
    # Cosines with item 0: .6, 0, 0. So .8 - .6 = .2, then .1 (like nothing), then 0 - .8.
    assert lists.rows.tolist() == [[0, 1, 3, 2]]
    np.testing.assert_allclose(lists.scores, [[1.0, 0.2, 0.1, -0.8]], atol=1e-6)


def test_diversity_ends_where_it_is_told_to() -> None:
    facts = item_facts(4, categories=[0, 0, 0, 1])
    rules = policy(diversity={"method": "mmr", "weight": 0.9, "first": 2})
    assert arranged(rules, facts, [4, 3, 2, 1], n=4).rows.tolist() == [[0, 3, 1, 2]]


def test_calibration_gives_seventy_to_thirty() -> None:
    """The example of Steck (2018): who liked 70 romances and 30 action films gets 7 and 3."""
    facts = item_facts(20, categories=[0] * 10 + [1] * 10)
    users = some_users(1, tastes=np.array([[70, 30, 0]], dtype=np.float32))
    rules = policy(diversity={"method": "calibration", "weight": 0.99})
    lists = arranged(rules, facts, np.arange(20, 0, -1.0), n=10, users=users)
    assert np.bincount(facts.categories[lists.rows[0]]).tolist() == [7, 3]
    without = arranged(rules, facts, np.arange(20, 0, -1.0), n=10, users=some_users(1))
    assert without.rows.tolist() == [list(range(10))]


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_greedy_in_the_published_objective(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, scores = rng.integers(0, 3, 12), rng.random(12)
    tastes = rng.random(3).astype(np.float32)
    weight, smoothing = 0.6, 0.05
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    target = tastes.astype(float) / tastes.astype(float).sum()
    taken: list[int] = []

    def objective(rows: list[int]) -> float:
        share = np.bincount(codes[rows], minlength=3) / len(rows)
        mixed = (1 - smoothing) * share + smoothing * target
        return (1 - weight) * relevance[rows].sum() - weight * (
            target * np.log(target / mixed)
        ).sum()

    for _ in range(8):
        taken.append(max(set(range(12)) - set(taken), key=lambda row: objective([*taken, row])))
    rules = policy(diversity={"method": "calibration", "weight": weight, "smoothing": smoothing})
    facts = item_facts(12, categories=codes)
    lists = arranged(rules, facts, scores, n=8, users=some_users(1, tastes=tastes[None]))
    assert lists.rows.tolist() == [taken]


def test_objectives_are_blended_in_standard_scores() -> None:
    facts = item_facts(2, margin=[0, 1])
    lists = arranged(policy(weights={"margin": 2}), facts, [1, 0], n=2)
    # sigma = .5; margins in standard scores -1 and 1: 1 - .5 * 2 and 0 + .5 * 2.
    assert lists.rows.tolist() == [[1, 0]]
    np.testing.assert_allclose(lists.scores, [[1, 0]], atol=1e-6)
    np.testing.assert_allclose(lists.adjustments, [[1, -1]], atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "columns"),
    [
        # -log2 of 1/4, 1/2, 1: novelties 2, 1, 0; deviations 1, 0, -1 over sqrt(2/3)
        ({"novelty": 1}, {"popularity": [0.25, 0.5, 1]}),
        # 1, 1/2, 0 by age; the same deviations, half as large, over half the spread
        ({"freshness": 1, "freshness_half_life_days": 10}, {"age_days": [0, 10, np.inf]}),
        ({"relevance": 2, "margin": 2}, {"margin": [9, 7, 5]}),
    ],
)
def test_each_objective(weights: dict, columns: dict) -> None:
    lists = arranged(policy(weights=weights), item_facts(3, **columns), [0, 1, 2], n=3)
    # Relevance has the same spread the other way round, so that the sum is 1 for each.
    assert lists.rows.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(lists.scores, [[1, 1, 1]], atol=1e-6)


def test_what_is_unknown_of_an_item_counts_as_average() -> None:
    facts = item_facts(3, margin=[0, NAN, 1])
    lists = arranged(policy(weights={"margin": 1}), facts, [1, 1, 1], n=3)
    assert lists.rows.tolist() == [[2, 1, 0]]
    assert lists.adjustments[0, 1] == 0


def test_popularity_is_taken_off_as_far_as_it_explains_the_scores() -> None:
    facts = item_facts(3, popularity=[1, 0.5, 0.25])
    half = arranged(policy(popularity_debias=0.5), facts, [3, 2, 1], n=3)
    np.testing.assert_allclose(half.scores, [[2.5, 2, 1.5]], atol=1e-6)
    whole = arranged(policy(popularity_debias=1), facts, [3, 2, 1], n=3)
    np.testing.assert_allclose(whole.scores, [[2, 2, 2]], atol=1e-6)
    unpopular_first = arranged(policy(popularity_debias=1), facts, [1, 2, 3], n=3)
    assert not unpopular_first.adjustments.any()


def test_debiased_scores_do_not_rise_with_popularity() -> None:
    rng = np.random.default_rng(0)
    popularity = rng.random(200)
    scores = np.log2(popularity) + rng.standard_normal(200)
    facts = item_facts(200, popularity=popularity)
    lists = arranged(policy(popularity_debias=1), facts, scores, n=200)
    logs = np.log2(popularity.astype(np.float32)[lists.rows[0]])
    assert abs(np.corrcoef(lists.scores[0], logs)[0, 1]) < 1e-5
    assert np.corrcoef(scores, np.log2(popularity))[0, 1] > 0.5


def test_repeats_wait_and_are_then_boosted() -> None:
    rules = policy(repeat={"any": {"after_days": 30, "boost": 2, "half_life_days": 10}})
    taken = np.array([[NAN, 29.9, 30, 40, 0]], dtype=np.float32)
    lists = arranged(rules, item_facts(6), [1, 9, 1, 0, 9], n=6, last_taken_days=taken, fill=[4, 5])
    # Items 1 and 4 wait. Relevance 1, 1, 0 has a deviation of sqrt(2)/3 = .4714.
    assert lists.rows.tolist() == [[2, 0, 3, 5, -1, -1]]
    sigma = np.sqrt(2) / 3
    expected = [1 + 2 * sigma, 1, sigma]
    np.testing.assert_allclose(lists.scores[0, :3], expected, rtol=1e-6)
    assert lists.shortfall.tolist() == [2]


def test_repeats_go_by_event_type() -> None:
    rules = policy(repeat={"purchase": {}, "view": {"after_days": 2}})
    taken = {
        "purchase": np.array([[500, NAN, NAN]], dtype=np.float32),
        "view": np.array([[500, 1, 3]], dtype=np.float32),
    }
    lists = arranged(rules, item_facts(3), [3, 2, 1], n=3, last_taken_days=taken)
    assert lists.rows.tolist() == [[2, -1, -1]]
    assert arranged(rules, item_facts(3), [3, 2, 1], n=3).rows.tolist() == [[0, 1, 2]]
    with pytest.raises(ContractError, match="taken by purchase"):
        arranged(rules, item_facts(3), [3, 2, 1], n=3, last_taken_days={"view": taken["view"]})


def test_repeats_that_wait_as_a_matrix() -> None:
    compiled = compile_policy(
        policy(repeat={"any": {"after_days": 7}}), item_facts(4), as_of=np.datetime64("2026-01-01")
    )
    days = sparse.csr_matrix(
        (np.array([0.0, 7.0, 3.0], dtype="f4"), np.array([0, 2, 3]), np.array([0, 2, 3])), (2, 4)
    )
    assert compiled.too_soon(days).toarray().tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
