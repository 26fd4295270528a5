"""Places drawn by chance: what may be drawn, how often, and what is logged."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ranking.policy.cases import arranged, item_facts, policy, some_users
from recsys_batch.ranking.policy import EXPLORATION, RELEVANCE
from recsys_batch.ranking.policy.block import uniform

USERS = 4000


def drawn(place: int, **exploration: object) -> Counter[tuple[int, float]]:
    """How often each item is drawn for a place, and with which probability; scores are 9 to 0."""
    lists = arranged(
        policy(exploration=exploration),
        item_facts(10),
        np.tile(np.arange(9, -1, -1.0), (USERS, 1)),
        n=4,
        users=some_users(USERS),
    )
    assert (lists.why[:, place] == EXPLORATION).all()
    pairs = zip(lists.rows[:, place].tolist(), lists.propensity[:, place].tolist(), strict=True)
    return Counter((row, round(chance, 6)) for row, chance in pairs)


def has_its_frequency(count: int, chance: float) -> bool:
    """Within four standard errors of what a propensity promises."""
    return bool(abs(count / USERS - chance) < 4 * np.sqrt(chance * (1 - chance) / USERS))


def test_a_uniform_draw() -> None:
    counts = drawn(1, positions=[2], pool=4)
    # The list keeps 9, 8, 7; the next four are drawn from.
    assert set(counts) == {(3, 0.25), (4, 0.25), (5, 0.25), (6, 0.25)}
    assert all(has_its_frequency(count, 0.25) for count in counts.values())


def test_a_softmax_draw_mixed_with_a_uniform_one() -> None:
    counts = drawn(3, positions=[4], pool=3, temperature=0.5, uniform_share=0.1)
    sigma = np.arange(10).std()
    powers = np.exp(np.array([6.0, 5.0, 4.0]) / (0.5 * sigma))
    chances = 0.9 * powers / powers.sum() + 0.1 / 3
    assert set(counts) == {
        (3 + place, round(float(np.float32(chance)), 6)) for place, chance in enumerate(chances)
    }
    for (_, chance), count in counts.items():
        assert has_its_frequency(count, chance)
    np.testing.assert_allclose(sum(chance for _, chance in counts), 1, atol=1e-5)


def test_places_draw_from_pools_of_their_own() -> None:
    first, second = (drawn(place, positions=[2, 4], pool=3) for place in (1, 3))
    # Items 0 and 1 stay; the rest is dealt in turn: 2, 4, 6 and 3, 5, 7.
    assert {row for row, _ in first} == {2, 4, 6} and {row for row, _ in second} == {3, 5, 7}
    assert {chance for _, chance in first + second} == {round(1 / 3, 6)}


def test_only_a_group_is_drawn_from_and_a_place_without_a_pool_gets_the_best() -> None:
    facts = item_facts(6, age_days=[9, 9, 9, 9, 1, 1])
    group = {"newer_than_days": 5}
    rules = policy(exploration={"positions": [1, 2, 3], "pool": 1, "group": group})
    lists = arranged(rules, facts, [6, 5, 4, 3, 2, 1], n=4)
    # Place 4 takes item 0. Items 4 and 5 are dealt to places 1 and 2; for place 3 none is left.
    assert lists.rows.tolist() == [[4, 5, 1, 0]]
    assert lists.why.tolist() == [[EXPLORATION, EXPLORATION, RELEVANCE, RELEVANCE]]
    assert lists.propensity.tolist() == [[1, 1, 1, 1]]


def test_draws_exceed_no_cap_whatever_is_drawn() -> None:
    facts = item_facts(8, categories=[0, 0, 1, 1, 0, 0, 1, 2])
    rules = policy(
        caps=[{"each": "category", "most": 2}], exploration={"positions": [2, 4], "pool": 4}
    )
    users = some_users(200)
    lists = arranged(rules, facts, np.tile(np.arange(8, 0, -1.0), (200, 1)), n=5, users=users)
    # 0, 1, 2 stand. Of 3 to 7 the books are full, and one film has room: one pool has the films.
    held = facts.categories[lists.rows]
    assert max(np.bincount(row, minlength=3)[:2].max() for row in held) <= 2
    assert lists.shortfall.sum() == 0


def test_nothing_but_run_user_and_place_decides_a_draw() -> None:
    assert uniform("run", "user", "exploration 3") == uniform("run", "user", "exploration 3")
    names = [("run", "user", "exploration 3"), ("run", "use", "rexploration 3"), ("r", "u", "e")]
    assert len({uniform(*name) for name in names}) == 3
    values = np.array([uniform("run", f"u{user}", "x") for user in range(4000)])
    assert values.min() >= 0 and values.max() < 1
    assert (np.abs(np.histogram(values, bins=10, range=(0, 1))[0] - 400) < 80).all()


def test_a_list_that_runs_short_is_closed_up() -> None:
    rules = policy(exploration={"positions": [2, 6]}, pins=[{"item": "i2", "position": 5}])
    lists = arranged(rules, item_facts(3), [3, 2, 1], n=8)
    assert sorted(lists.rows[0, :3].tolist()) == [0, 1, 2]
    assert (lists.rows[0, 3:] == -1).all() and lists.shortfall.tolist() == [5]


def test_what_may_be_drawn_is_kept_for_the_draw() -> None:
    rules = policy(exploration={"positions": [1, 2], "group": {"items": ["i1"]}})
    lists = arranged(rules, item_facts(4), [4, 3, 2, 1], n=3)
    # Item 1 is better than item 2, but it is in the pool of place 1.
    assert lists.rows.tolist() == [[1, 2, 0]]
    assert lists.why.tolist() == [[EXPLORATION, RELEVANCE, RELEVANCE]]
