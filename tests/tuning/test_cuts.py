"""Validations: who judges, by what, and that nothing after a cut is known before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.models.sources import PopularSettings, RepeatSettings
from recsys_batch.tuning.cuts import horizon_days, temporal_cuts
from tuning.logs import log_of, news

USERS, ITEMS = 6, 5
ACTS = st.lists(
    st.tuples(st.integers(-1, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 40))
)


@settings(max_examples=100, deadline=None)
@given(rows=ACTS, until=st.integers(1, 42), days=st.integers(1, 9), users=st.integers(1, 20))
def test_users_judge_who_were_known_before_and_wanted_something_after(rows, until, days, users):
    log = log_of(rows, users=USERS, items=ITEMS)
    cuts = temporal_cuts(log, until=until, days=days, users=users, seed=1)
    first = min((day for *_, day in rows), default=until)
    for cut in cuts:
        assert cut.at - first >= days  # as much before as after
        assert (until - cut.at) % days == 0
        before = {user for user, _, day in rows if user >= 0 and day < cut.at}
        after: dict[int, set[int]] = {}
        for user, item, day in rows:
            if user >= 0 and cut.at <= day < cut.at + days:
                after.setdefault(user, set()).add(item)
        assert cut.at + days <= until
        assert set(cut.rows) <= before & set(after)
        assert len(cut.rows) == min(users, len(before & set(after)))
        assert set(cut.newcomers) <= set(after) - before
        for rows_of, truth in ((cut.rows, cut.truth), (cut.newcomers, cut.their_truth)):
            for place, user in enumerate(rows_of):
                assert set(truth[[place]].indices.tolist()) == after[user]
        for place, user in enumerate(cut.rows):
            seen = {item for who, item, day in rows if who == user and day < cut.at}
            assert set(cut.seen[[place]].indices.tolist()) == seen
        assert set(np.flatnonzero(cut.allow)) == {item for _, item, day in rows if day < cut.at}
    for earlier in cuts[1:]:
        assert earlier.at - first >= (until - first) / 2  # half of the history, as it is now
    assert len({cut.at for cut in cuts}) == len(cuts) <= 8
    assert all(sum(len(cut.rows) for cut in cuts[:place]) < users for place in range(len(cuts)))


@settings(max_examples=60, deadline=None)
@given(rows=ACTS, until=st.integers(1, 42), moved=st.data())
def test_what_happens_after_is_not_looked_at(rows, until, moved):
    past = [row for row in rows if row[2] < until]
    days = moved.draw(st.lists(st.integers(until, 60), min_size=len(rows), max_size=len(rows)))
    future = [(user, item, day) for (user, item, _), day in zip(rows, days, strict=True)]
    known = dict.fromkeys(range(ITEMS), 0)
    both = [
        temporal_cuts(
            log_of(acts, users=USERS, items=ITEMS, first_days=known),
            until=until,
            days=2,
            users=5,
            seed=1,
        )
        for acts in (past, past + future)
    ]
    assert len(both[0]) == len(both[1])
    for one, other in zip(*both, strict=True):
        assert one.at == other.at
        for name in ("rows", "newcomers", "allow"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for name in ("truth", "seen", "their_truth"):
            assert (getattr(one, name) != getattr(other, name)).nnz == 0
        data = [each.data(3.0, 3.0) for each in (one, other)]
        assert (data[0].weights != data[1].weights).nnz == 0
        np.testing.assert_array_equal(data[0].popularity, data[1].popularity)


def test_ndcg_by_hand():
    """User 0 had a and takes a and c, user 1 had b and takes c; c is popular, d is unknown."""
    acts = [(0, 0, 0), (1, 1, 0), (2, 2, 1), (3, 2, 1), (0, 0, 4), (0, 2, 4), (1, 2, 5), (1, 3, 5)]
    (cut,) = temporal_cuts(log_of(acts, users=4, items=4), until=6, days=3, users=2, seed=0)
    assert cut.rows.tolist() == [0, 1]
    fitted = PopularSettings().fit(cut.data(None, None))  # c, then a and b
    at_two = 1 / np.log2(3)
    # Repeats allowed: user 0 finds c and a first, user 1 c first of two, d was not known.
    allowed = 1 + 1 / (1 + at_two)
    # Seen excluded: user 0 gets c, then b; user 1 c, then a.
    excluded = 2 / (1 + at_two)
    assert cut.ndcg(fitted, k=2) == pytest.approx((allowed, excluded))
    again = RepeatSettings().fit(cut.data(None, None))
    ours = cut.ndcg(again, k=1)
    assert ours == pytest.approx((1.0, 0.0))  # a is user 0's own; else the first item, which is a


def test_newcomers_are_judged_apart():
    acts = [(0, 0, 0), (0, 1, 1), (1, 1, 2), (0, 0, 4), (2, 1, 4)]
    (cut,) = temporal_cuts(log_of(acts, users=3, items=2), until=6, days=3, users=9, seed=0)
    assert (cut.rows.tolist(), cut.newcomers.tolist()) == ([0], [2])
    fitted = PopularSettings().fit(cut.data(None, None))
    assert cut.newcomers_ndcg(fitted, k=1) == pytest.approx(1.0)


def test_the_same_seed_draws_the_same_users():
    acts = [(user, user % 7, day) for user in range(60) for day in range(0, 20, 2)]
    log = log_of(acts, users=60, items=7)
    how = {"until": 20, "days": 4, "users": 10}
    one, two, other = (temporal_cuts(log, **how, seed=seed)[0] for seed in (1, 1, 2))
    assert one.rows.tolist() == two.rows.tolist() != other.rows.tolist()
    assert sorted(one.rows.tolist()) == one.rows.tolist()


def test_the_horizon_is_a_day_where_most_that_is_wanted_is_new():
    assert horizon_days(news(), until=16, days=7) == 1
    old = log_of([(0, 0, day) for day in range(30)], users=1, items=1)
    assert horizon_days(old, until=30, days=7) == 7
    assert horizon_days(log_of([], users=0, items=0), until=30, days=7) == 7


def test_where_nobody_came_back_on_some_days_earlier_ones_judge():
    acts = [(user, 0, day) for user in range(5) for day in (0, 1, 2, 9, 10, 11)]
    cuts = temporal_cuts(log_of(acts, users=5, items=1), until=21, days=3, users=9, seed=0)
    assert [cut.at for cut in cuts] == [9]
