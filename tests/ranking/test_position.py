"""How likely a position is looked at: by hand, against planted bias, and against the simulator."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.samples import CLEAN, clean_events, small

from recsys_batch.ranking.impressions import Impressions
from recsys_batch.ranking.position import examination

SLOT = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 6), st.booleans())


def shown(*rows: tuple[int, int, int, bool]) -> Impressions:
    """Impressions of (user, item, position, clicked), each a request of its own."""
    columns = np.array(rows, dtype=np.int32).reshape(-1, 4).T
    users, items, positions, clicked = columns
    order = np.arange(len(users), dtype=np.int32)
    return Impressions(users, items, np.zeros_like(order), order, positions, clicked.astype(bool))


def times(user: int, item: int, position: int, *, shown: int, clicked: int):
    return [(user, item, position, number < clicked) for number in range(shown)]


def test_by_hand():
    """Twice as many clicks at the first as at the second, of one pair and of another."""
    found = examination(
        shown(
            *times(0, 0, 1, shown=10, clicked=8),
            *times(0, 0, 2, shown=10, clicked=4),
            *times(1, 0, 1, shown=30, clicked=6),
            *times(1, 0, 2, shown=20, clicked=2),
            *times(2, 0, 2, shown=50, clicked=50),  # at one position alone: tells nothing
        )
    )
    np.testing.assert_allclose(found.propensity, [1, 0.5], atol=1e-4)
    assert found.clicks == 20


def test_a_position_that_nobody_tells_of_is_between_its_neighbours():
    pair = [*times(0, 0, 1, shown=10, clicked=8), *times(0, 0, 3, shown=10, clicked=4)]
    found = examination(shown(*pair, (5, 5, 5, True), (5, 6, 2, True)))
    np.testing.assert_allclose(found.propensity, [1, 0.75, 0.5, 0.5, 0.5], atol=1e-4)
    assert found.at(np.array([1, 5, 99])) == pytest.approx([1, 0.5, 0.5], abs=1e-4)


def test_what_was_always_shown_at_one_position_tells_nothing():
    found = examination(shown((0, 0, 1, True), (0, 1, 2, True), (0, 1, 2, False)))
    assert found.clicks == 0
    np.testing.assert_array_equal(found.propensity, [1, 1])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(SLOT, max_size=40), data=st.data())
def test_propensities_never_rise_and_the_order_of_rows_is_nothing(rows, data):
    found = examination(shown(*rows))
    assert found.propensity[0] == 1
    assert (np.diff(found.propensity) <= 1e-12).all()
    assert (found.propensity >= 0).all()
    moved = examination(shown(*data.draw(st.permutations(rows))))
    np.testing.assert_allclose(moved.propensity, found.propensity, atol=1e-9)


def test_it_is_found_where_what_is_liked_stands_first():
    """Lists by appeal with some noise: clicks fall twice as fast as attention does."""
    rng = np.random.default_rng(1)
    users, items, slots = 400, 8, np.arange(1, 9)
    appeal = rng.random((users, items)) ** 2
    rows = []
    for _ in range(12):
        order = np.argsort(-(appeal + 0.15 * rng.standard_normal(appeal.shape)), axis=1)
        looked = rng.random(order.shape) < 1.0 / slots
        clicked = looked & (rng.random(order.shape) < np.take_along_axis(appeal, order, axis=1))
        for place in range(items):
            rows.append(
                np.stack(
                    [
                        np.arange(users),
                        order[:, place],
                        np.full(users, place + 1),
                        clicked[:, place],
                    ]
                ).T
            )
    log = shown(*map(tuple, np.concatenate(rows)))
    found = examination(log).propensity
    np.testing.assert_allclose(found, 1.0 / slots, atol=0.05)
    rates = np.bincount(log.positions, weights=log.clicked)[1:] / (users * 12)
    assert (rates / rates[0])[-1] < 0.5 * found[-1]  # what counting clicks would say


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_the_simulators_bias_is_found(bias, tmp_path):
    shop = small(users=400, items=80, days=20, position_bias=bias, requests_per_session=4, **CLEAN)
    events = clean_events(shop, tmp_path).filter(pl.col("user").is_not_null())
    keys = ["request_id", "item"]
    opened = events.filter(pl.col("event_type") == "view").select(keys).unique()
    seen = events.filter(pl.col("event_type") == "impression").join(
        opened.with_columns(clicked=pl.lit(value=True)), on=keys, how="left"
    )
    log = shown(
        *seen.select("user", "item", "position", pl.col("clicked").fill_null(value=False)).rows()
    )
    found = examination(log)
    assert found.clicks > 1000
    np.testing.assert_allclose(found.propensity, np.arange(1.0, 11) ** -bias, atol=0.1)
