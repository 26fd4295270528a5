import numpy as np
import polars as pl
import pytest

from recsys_batch.simulator import build_world, shop_settings

from .samples import CLEAN, clean_events, small


def _count_pairs(events: pl.DataFrame) -> pl.Series:
    bought = events.filter((pl.col("event_type") == "purchase") & pl.col("user").is_not_null())
    return bought.group_by("user", "item").len()["len"]


@pytest.mark.parametrize("preset", ["shop", "news", "groceries", "films"])
def test_nothing_happens_to_an_item_outside_its_life(tmp_path, preset: str) -> None:
    settings = small(preset, items=900, **CLEAN)
    events, world = clean_events(settings, tmp_path), build_world(settings)
    hour = (events["time"] - world.start.replace(tzinfo=None)).dt.total_seconds().to_numpy() / 3600
    item = events["item"].to_numpy()
    assert (world.items.birth[item] <= hour).all()
    assert (hour < world.items.death[item]).all()
    assert len(events) > 1000
    user = events["user"].drop_nulls()
    day = (events.filter(pl.col("user").is_not_null())["time"].dt.day() - 1).to_numpy()
    assert (world.users.arrival[user.to_numpy()] <= day).all()


def test_news_turns_over_and_films_stay(tmp_path) -> None:
    kept = {}
    for preset in ("news", "films"):
        events = clean_events(small(preset, items=900, **CLEAN), tmp_path / preset)
        first, last = (set(events.filter(pl.col("time").dt.day() == day)["item"]) for day in (1, 6))
        kept[preset] = len(first & last) / len(first | last)
    assert kept["news"] == 0
    assert kept["films"] > 0.1


def test_repeats_are_absent_or_weekly_as_set(tmp_path) -> None:
    films = clean_events(small("films", users=400, days=20, **CLEAN), tmp_path / "films")
    groceries = clean_events(small("groceries", users=400, days=20, **CLEAN), tmp_path / "food")
    assert _count_pairs(films).max() == 1
    assert (_count_pairs(groceries) > 1).mean() > 0.15
    again = groceries.filter(pl.col("surface") == "reorder")
    assert set(again["event_type"]) == {"purchase"}
    assert len(again) > 100


def test_films_need_no_impressions(tmp_path) -> None:
    films = clean_events(small("films", **CLEAN), tmp_path)
    assert set(films["event_type"]) == {"view", "add_to_cart", "purchase"}
    assert films["request_id"].null_count() == len(films)


def test_what_follows_from_an_impression_names_it(tmp_path) -> None:
    events = clean_events(small(**CLEAN), tmp_path)
    key = ["request_id", "position", "item_id", "user_id"]
    by_type = {
        kind: events.filter((pl.col("event_type") == kind) & pl.col("request_id").is_not_null())
        for kind in ("impression", "view", "add_to_cart", "purchase")
    }
    assert by_type["impression"].select(key).is_unique().all()
    for before, after in (("impression", "view"), ("view", "add_to_cart"),
                          ("add_to_cart", "purchase")):  # fmt: skip
        joined = by_type[after].join(by_type[before], on=key, nulls_equal=True, suffix="_before")
        assert len(joined) == len(by_type[after]) > 20
        assert (joined["time"] >= joined["time_before"]).all()
    direct = events.filter(pl.col("request_id").is_null() & (pl.col("event_type") == "purchase"))
    assert len(direct) > 20
    assert direct["position"].null_count() == len(direct)


def test_fields_are_filled_where_they_mean_something(tmp_path) -> None:
    events = clean_events(small(**CLEAN), tmp_path)
    kind = events["event_type"]
    assert (events["propensity"].is_not_null() == (kind == "impression")).all()
    assert (events["quantity"].is_not_null() == (kind == "purchase")).all()
    priced = kind.is_in(["add_to_cart", "purchase"])
    assert (events["price"].is_not_null() == priced).all()
    world = build_world(small(**CLEAN))
    paid = events.filter(priced)
    np.testing.assert_allclose(
        paid["price"].cast(pl.Float64), world.items.price[paid["item"].to_numpy()]
    )
    assert events["event_id"].is_unique().all()
    assert 0 < events["user_id"].null_count() < 0.1 * len(events)


def test_default_shop_has_the_promised_size(tmp_path) -> None:
    settings = shop_settings("shop", CLEAN)
    events = clean_events(settings, tmp_path)
    per_user = {
        kind: count / settings.users for kind, count in events["event_type"].value_counts().rows()
    }
    assert 150_000 < len(events) < 250_000
    assert 8 < per_user["purchase"] < 15
    assert 25 < per_user["view"] < 60
