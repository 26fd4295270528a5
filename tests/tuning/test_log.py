"""A log's past against sums in plain Python."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.tuning.log import Log
from tuning.logs import log_of

USERS, ITEMS = 4, 5
ACTS = st.lists(
    st.tuples(
        st.integers(-1, USERS - 1),
        st.integers(0, ITEMS - 1),
        st.integers(100, 130),
        st.sampled_from([1.0, 0.25, 2.0, -1.0]),
        st.booleans(),
        st.booleans(),
    )
)
HALF_LIVES = st.sampled_from([None, 0.5, 3.0, 30.0])


def log(rows, regions=(0, 1, -1, 1)) -> Log:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    return log_of(
        columns[:3].T.astype(int),
        users=USERS,
        items=ITEMS,
        weights=columns[3].astype(np.float32),
        relevant=columns[4].astype(bool),
        seen=columns[5].astype(bool),
        regions=np.array(regions, dtype=np.int32),
        n_regions=2,
    )


def decayed(day: int, before: int, half_life: float | None) -> float:
    return 1.0 if half_life is None else 0.5 ** ((before - day) / half_life)


@settings(max_examples=150, deadline=None)
@given(rows=ACTS, before=st.integers(98, 132), interest=HALF_LIVES, popularity=HALF_LIVES)
def test_history_is_the_decayed_sum_of_what_went_before(rows, before, interest, popularity):
    found = log(rows).history(before, half_life_days=interest, popularity_half_life_days=popularity)
    weights, last = defaultdict(float), {}
    popular, regional = np.zeros(ITEMS), np.zeros((2, ITEMS))
    for user, item, day, weight, *_ in rows:
        if day >= before:
            continue
        popular[item] += weight * decayed(day, before, popularity)
        if user < 0:
            continue
        weights[user, item] += weight * decayed(day, before, interest)
        last[user, item] = max(day, last.get((user, item), day))
        region = (0, 1, -1, 1)[user]
        if region >= 0:
            regional[region, item] += weight * decayed(day, before, popularity)
    kept = {pair: weight for pair, weight in sorted(weights.items()) if weight > 1e-9}
    assert list(zip(*found.weights.nonzero(), strict=True)) == list(kept)
    np.testing.assert_allclose(found.weights.data, list(kept.values()), rtol=1e-5)
    assert found.ages.tolist() == [before - last[pair] for pair in kept]
    np.testing.assert_allclose(found.popularity, np.maximum(popular, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.regional, np.maximum(regional, 0), rtol=1e-5, atol=1e-6)
    assert found.weights.shape == (USERS, ITEMS)


def test_history_says_who_is_of_which_cohort():
    cohorts = np.array([1, -1, 0], dtype=np.int32)
    made = log_of([(0, 0, 1), (2, 1, 2)], users=3, items=2, cohorts=cohorts, n_cohorts=2)
    found = made.history(5, half_life_days=None, popularity_half_life_days=None)
    assert found.cohorts.tolist() == [1, -1, 0]


@settings(max_examples=100, deadline=None)
@given(rows=ACTS, since=st.integers(98, 132), days=st.integers(0, 20))
def test_what_was_wanted_and_seen_is_of_named_users_and_of_those_days(rows, since, days):
    made = log(rows)
    wanted = made.wanted(since, since + days)
    assert set(zip(*wanted.nonzero(), strict=True)) == {
        (user, item)
        for user, item, day, _, relevant, _ in rows
        if user >= 0 and relevant and since <= day < since + days
    }
    seen = made.seen_before(since)
    assert set(zip(*seen.nonzero(), strict=True)) == {
        (user, item) for user, item, day, _, _, seen in rows if user >= 0 and seen and day < since
    }
    assert set(wanted.data) | set(seen.data) <= {1.0}


@settings(max_examples=50, deadline=None)
@given(rows=ACTS, data=st.data())
def test_the_order_of_acts_changes_nothing(rows, data):
    moved = data.draw(st.permutations(rows))
    how = {"half_life_days": 3.0, "popularity_half_life_days": None}
    one, other = (log(each).history(131, **how) for each in (rows, moved))
    np.testing.assert_array_equal(one.weights.indices, other.weights.indices)
    np.testing.assert_allclose(one.weights.data, other.weights.data, rtol=1e-6)
    np.testing.assert_array_equal(one.ages, other.ages)


def test_repeats_are_counted_by_user_item_and_day_after_the_first_day():
    acts = [(0, 0, 1), (0, 1, 1), (0, 0, 2), (0, 0, 2), (0, 2, 3), (0, 1, 4), (1, 0, 4), (-1, 0, 5)]
    made = log_of(acts, users=2, items=3)
    assert made.repeat_share(9) == pytest.approx(2 / 3)  # item 0 on day 2 and item 1 on day 4
    assert made.repeat_share(4) == pytest.approx(1 / 2)
    assert made.repeat_share(1) == 0.0
    assert log_of([], users=0, items=0).repeat_share(9) == 0.0


def test_items_are_known_from_their_first_day():
    made = log_of([(0, 0, 5), (0, 1, 3)], users=1, items=3, first_days={2: 4})
    assert made.known_items(4).tolist() == [False, True, False]
    assert made.known_items(5).tolist() == [False, True, True]
    assert made.n_items == 3


@pytest.mark.parametrize("users", [0, 2])
def test_a_log_of_anonymous_acts_has_popularity_alone(users):
    made = log_of([(-1, 0, 1), (-1, 0, 2), (-1, 1, 2)], users=users, items=2)
    found = made.history(5, half_life_days=1.0, popularity_half_life_days=None)
    assert found.popularity.tolist() == [2, 1]
    assert found.weights.shape == (users, 2)
    assert found.weights.nnz == 0
