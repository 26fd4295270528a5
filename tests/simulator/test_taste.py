import numpy as np
import pytest

from recsys_batch.simulator import (
    build_world,
    expected_affinity,
    slot_propensities,
)
from recsys_batch.simulator.taste import notice_probability, offer_at, purchase_probability

from .samples import CLEAN, clean_events, small


@pytest.mark.parametrize("preset", ["shop", "news"])
def test_slot_propensities_are_a_distribution_over_the_offer(preset: str) -> None:
    world = build_world(small(preset, items=600))
    users = np.arange(50)
    shown = slot_propensities(world, users=users, hour=72)
    np.testing.assert_allclose(shown.sum(axis=1), 1)
    on_offer = np.zeros(len(world.items), dtype=bool)
    on_offer[offer_at(world, 72).items] = True
    assert (shown[:, on_offer] > 0).all()
    assert (shown[:, ~on_offer] == 0).all()
    assert (shown * world.settings.slots <= 1 + 1e-12).all()  # a list shows an item at most once


def test_stated_propensities_are_the_frequencies(tmp_path) -> None:
    """One person, thousands of requests in one day: what is stated is what happens."""
    settings = small(
        users=1, items=40, days=1, new_user_share=0, sessions_per_user_day=20_000, slots=5,
        requests_per_session=1, direct_views_per_session=0, **CLEAN,
    )  # fmt: skip
    events = clean_events(settings, tmp_path)
    shown = events.filter(events["event_type"] == "impression")
    truth = slot_propensities(build_world(settings), users=[0], hour=0)[0]
    np.testing.assert_allclose(shown["propensity"], truth[shown["item"].to_numpy()], rtol=1e-6)
    requests = shown["request_id"].n_unique()
    assert requests > 1000
    for position in range(1, 6):
        items = shown.filter(shown["position"] == position)["item"].to_numpy()
        counts = np.bincount(items, minlength=len(truth))
        assert counts.sum() == requests
        expected = requests * truth
        error = np.sqrt(expected * (1 - truth)) + 1e-9
        assert (np.abs(counts - expected) < 4.5 * error + 1).all()
    assert shown.group_by("request_id").n_unique()["item"].unique().to_list() == [5]


def test_inverse_propensities_recover_an_even_policy(tmp_path) -> None:
    """Self-check of off-policy use: mean of 1/(propensity * items) over impressions is 1."""
    settings = small(users=300, days=2, **CLEAN)
    events = clean_events(settings, tmp_path)
    shown = events.filter((events["event_type"] == "impression") & (events["time"].dt.day() == 1))
    count = len(offer_at(build_world(settings), 0).items)
    weights = 1 / (shown["propensity"].to_numpy() * count)
    error = weights.std() / np.sqrt(len(weights))
    assert abs(weights.mean() - 1) < 4 * error
    assert error < 0.1


def test_position_bias_is_a_power_law() -> None:
    world = build_world(small(position_bias=0.5))
    np.testing.assert_allclose(notice_probability(world, np.array([1, 4, 9])), [1, 1 / 2, 1 / 3])


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_views_fall_with_position_as_the_bias_says(tmp_path, bias: float) -> None:
    settings = small(
        users=600, position_bias=bias, requests_per_session=2, direct_views_per_session=0, **CLEAN
    )
    events = clean_events(settings, tmp_path)
    share = []
    for position in (1, 2, 5, 10):
        here = events.filter(events["position"] == position)["event_type"]
        share.append((here == "view").sum() / (here == "impression").sum())
    expected = np.array([1.0, 2.0, 5.0, 10.0]) ** -bias
    np.testing.assert_allclose(np.array(share) / share[0], expected, rtol=0.25)


def test_expected_affinity_is_what_people_buy(tmp_path) -> None:
    """Searches only: the purchases of a day follow the stated probabilities, person by person."""
    settings = small(
        users=1, items=30, days=1, new_user_share=0, sessions_per_user_day=20_000,
        requests_per_session=0, direct_views_per_session=1, **CLEAN,
    )  # fmt: skip
    events, world = clean_events(settings, tmp_path), build_world(settings)
    items = np.arange(len(world.items))
    bought = expected_affinity(world, users=[0], items=items, day=0)[0]
    found = bought / purchase_probability(world, np.zeros_like(items), items)
    views = events.filter(events["event_type"] == "view")
    counts = np.bincount(views["item"].to_numpy(), minlength=len(items))
    assert found.sum() == pytest.approx(1)
    error = np.sqrt(len(views) * found * (1 - found))
    assert (np.abs(counts - len(views) * found) < 4.5 * error + 1).all()


def test_expected_affinity_of_what_is_not_on_offer_is_zero() -> None:
    world = build_world(small("news"))
    later = np.flatnonzero(world.items.birth > 0)
    assert not expected_affinity(world, users=[0, 1], items=later, day=0).any()
    picked = expected_affinity(world, users=[3, 1], items=[5, 2], day=0)
    everything = expected_affinity(world, users=range(5), items=range(len(world.items)), day=0)
    np.testing.assert_allclose(picked, everything[[3, 1]][:, [5, 2]])
