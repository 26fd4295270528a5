import numpy as np
import pytest

from recsys_batch.simulator import PRESETS, ShopSettings, build_world
from recsys_batch.simulator.words import category_names

from .samples import small


@pytest.mark.parametrize("preset", PRESETS)
def test_everybody_and_everything_arrives_in_order(preset: str) -> None:
    world = build_world(PRESETS[preset])
    settings = world.settings
    assert len(world.users) == settings.users
    assert settings.items - len(world.items) <= settings.items * 0.05  # births at the very end
    assert (np.diff(world.users.arrival) >= 0).all()
    assert (np.diff(world.items.birth) >= 0).all()
    assert (world.users.arrival < settings.days).all()
    before = (world.items.birth <= 0).sum()
    assert before == pytest.approx(settings.items * (1 - settings.new_item_share), abs=10)
    assert (world.items.death > 0).all()


def test_lifetimes_have_the_median_asked_for() -> None:
    for preset, slack in (("news", 0.1), ("shop", 0.1)):
        items = build_world(PRESETS[preset]).items
        median = np.median(items.death - items.birth) / 24
        assert median == pytest.approx(PRESETS[preset].item_lifetime_days, rel=slack)


def test_more_days_leave_those_who_came_before_as_they_were() -> None:
    short, long = build_world(small(days=31)), build_world(small(days=75))
    assert len(long.users) > len(short.users)
    for name in ("users", "items"):
        for attribute, values in vars(getattr(short, name)).items():
            longer = getattr(getattr(long, name), attribute)[: len(values)]
            np.testing.assert_array_equal(values, longer, err_msg=f"{name}.{attribute}")


def test_popularity_has_a_long_tail() -> None:
    weight = np.sort(np.exp(build_world(ShopSettings()).items.popularity))[::-1]
    assert 0.3 < weight[:100].sum() / weight.sum() < 0.8


def test_another_seed_is_another_shop() -> None:
    one, other = build_world(small(seed=1)), build_world(small(seed=2))
    assert not np.allclose(one.users.factors[:100], other.users.factors[:100])


def test_titles_speak_of_their_category() -> None:
    world = build_world(small(categories=25))
    assert category_names("shop", 25)[20] == "Kitchen 2"
    kitchen = [world.items.text[each] for each in np.flatnonzero(world.items.category == 20)]
    words = ("serving board", "salt mill", "mixing bowl", "kettle", "paring knife", "colander")
    assert kitchen
    assert all(any(word in title for word in words) for title in kitchen)
