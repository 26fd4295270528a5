"""Weights worked out by hand; what the future or the order of rows cannot change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.features.consent import consented, refusals
from recsys_batch.features.entities import items, users
from recsys_batch.features.history import visible_events
from recsys_batch.features.interactions import holdout, interactions, popularity
from recsys_batch.features.parts import Part
from recsys_batch.features.state import PAST, fold, merged, past_and_whole
from recsys_batch.features.versions import item_versions, profile_versions
from recsys_batch.lake.digests import frame_digest

from .events import (
    UNTIL,
    WEIGHTS,
    ago,
    by,
    catalogue,
    clock,
    consents,
    events,
    facts_of,
    profiles,
    state_of,
    whole,
)

pytestmark = pytest.mark.spark

UNIT = 2**-20  # weights are summed in these


def made(
    state: DataFrame,
    recent: DataFrame | None = None,
    *,
    until: dt.datetime = UNTIL,
    half_life_days: float | None = 10.0,
    weights: dict[str, float] = WEIGHTS,
    seen_types: tuple[str, ...] = ("purchase",),
) -> DataFrame:
    """Interactions as a run that looks back from `until` makes them of a state."""
    return interactions(
        state,
        whole(until),
        decay=clock(half_life_days, until=until).interest,
        weights=weights,
        seen_types=seen_types,
        recent=None if recent is None else {"full": recent},
    )


def pairs(
    frame: DataFrame, *, half_life_days: float | None = 10.0, window: int | None = None
) -> dict[tuple[str, str], dict[str, Any]]:
    state = state_of(frame, half_life_days=half_life_days)
    recent = None
    if window is not None:
        recent = state_of(frame.where(F.col("event_time") >= F.lit(ago(window))))
    return by(made(state, recent, half_life_days=half_life_days), "user_key", "item_id")


def test_an_event_counts_half_after_each_half_life(spark: SparkSession) -> None:
    """Its age is in whole days from its UTC day: six where it happened 5.5 days ago."""
    rows = [{"item_id": str(days), "event_time": ago(days)} for days in (10, 20, 30, 5.5)]
    found = pairs(events(spark, *rows))
    wanted = {"10": 0.5, "20": 0.25, "30": 0.125, "5.5": 2**-0.6}
    for item, weight in wanted.items():
        assert found["u", item]["weight"] == pytest.approx(weight, abs=UNIT)


def test_weights_of_types_add_up(spark: SparkSession) -> None:
    """0.25 * 1/2 for a view ten days ago, 0.25 * 1/4 twenty ago, 1 * 1/8 for a purchase."""
    found = pairs(
        events(
            spark,
            {"event_type": "view", "event_time": ago(10)},
            {"event_type": "view", "event_time": ago(20)},
            {"event_type": "purchase", "event_time": ago(30)},
            {"event_type": "impression", "event_time": ago(2)},
        )
    )
    row = found["u", "i"]
    assert row["weight"] == pytest.approx(0.125 + 0.0625 + 0.125, abs=3 * UNIT)
    assert (row["events"], row["event_type"], row["seen"]) == (3, "purchase", True)
    assert row["last_time"] == ago(10).replace(tzinfo=None)


def test_without_a_half_life_weights_are_exact(spark: SparkSession) -> None:
    frame = events(spark, {"event_time": ago(1000)}, {"event_type": "view", "event_time": ago(1)})
    assert pairs(frame, half_life_days=None)["u", "i"]["weight"] == 1.25


def test_a_cancellation_nets_out(spark: SparkSession) -> None:
    """Bought and taken back: no interest is left, but the item was seen; half back leaves half."""
    cancel = {"event_type": "cancel"}
    found = pairs(
        events(
            spark,
            {"item_id": "back", "event_time": ago(5)},
            {"item_id": "back", "event_time": ago(5), **cancel},
            {"item_id": "later", "event_time": ago(20)},
            {"item_id": "later", "event_time": ago(10), **cancel},
            {"item_id": "once", "event_time": ago(10)},
            {"item_id": "once", "event_time": ago(10)},
            {"item_id": "once", "event_time": ago(10), **cancel},
            {"item_id": "only", "event_time": ago(1), **cancel},
        )
    )
    assert {item: row["weight"] for (_, item), row in found.items()} == {
        "back": 0.0,
        "later": 0.0,
        "once": pytest.approx(0.5, abs=UNIT),
    }
    assert all(row["seen"] for row in found.values())


def test_seen_and_weight_are_apart(spark: SparkSession) -> None:
    found = pairs(
        events(
            spark,
            {"item_id": "viewed", "event_type": "view"},
            {"item_id": "bought long ago", "event_time": ago(9000)},
            {"item_id": "shown", "event_type": "impression"},
        )
    )
    assert {item: (row["seen"], row["weight"] > 0) for (_, item), row in found.items()} == {
        "viewed": (False, True),
        "bought long ago": (True, False),
    }


def test_the_window_begins_with_its_first_instant(spark: SparkSession) -> None:
    before = ago(7) - dt.timedelta(microseconds=1)
    frame = events(
        spark,
        {"item_id": "in", "event_type": "view", "event_time": ago(7)},
        {"item_id": "out", "event_type": "view", "event_time": before},
    )
    assert list(pairs(frame, window=7)) == [("u", "in")]


def test_what_was_had_before_the_window_stays_seen(spark: SparkSession) -> None:
    """Or it would be recommended again as soon as it leaves the window."""
    (row,) = pairs(events(spark, {"event_time": ago(8)}), window=7).values()
    assert (row["weight"], row["seen"]) == (0.0, True)


def test_the_cutoff_belongs_to_the_holdout_alone(spark: SparkSession) -> None:
    micro = dt.timedelta(microseconds=1)
    cutoff, end = ago(7), UNTIL
    frame = events(
        spark,
        {"item_id": "before", "event_time": cutoff - micro},
        {"item_id": "at", "event_time": cutoff},
        {"item_id": "at", "event_time": cutoff + micro},
        {"item_id": "viewed", "event_type": "view", "event_time": cutoff},
        {"item_id": "anonymous", "user_key": None, "event_time": cutoff},
        {"item_id": "last", "event_time": end - micro},
        {"item_id": "end", "event_time": end},
    )
    held = holdout(frame, since=cutoff, until=end, relevant_types=["purchase"])
    assert sorted(row["item_id"] for row in held.collect()) == ["at", "last"]
    trained = made(state_of(frame, cutoff), until=cutoff, seen_types=())
    assert [row["item_id"] for row in trained.collect()] == ["before"]


def test_popularity_counts_all_and_each_region_and_the_anonymous(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"region": "north", "event_time": ago(10)},
        {"region": "north", "event_time": ago(10), "user_key": None},
        {"region": "south", "event_time": ago(20)},
        {"region": None, "event_time": ago(20)},
        {"item_id": "gone", "region": "south"},
        {"item_id": "gone", "region": "south", "event_type": "cancel"},
        {"item_id": "shown", "event_type": "impression"},
        {"item_id": "future", "event_time": UNTIL},
    )
    scores = popularity(state_of(frame), whole(), decay=clock().popularity, weights=WEIGHTS)
    found = {key: row["score"] for key, row in by(scores, "segment", "item_id").items()}
    assert found == {
        (None, "i"): pytest.approx(1.5, abs=4 * UNIT),
        ("north", "i"): pytest.approx(1.0, abs=2 * UNIT),
        ("south", "i"): pytest.approx(0.25, abs=UNIT),
    }


def test_ties_in_time_do_not_depend_on_the_order_of_rows(spark: SparkSession) -> None:
    frame = events(
        spark,
        {"event_id": "1", "event_type": "click", "region": "north", "title": "old", "price": 1.0},
        {"event_id": "2", "event_type": "view", "region": "south", "title": "new", "price": None},
    )
    even = {"click": 1.0, "view": 1.0}
    for each in (frame, frame.orderBy(F.col("event_id").desc())):
        state = state_of(each)
        row = made(state, weights=even).collect()[0]
        assert row["event_type"] == "view"
        known = profile_versions(profiles(spark))
        (user,) = users(state, known, whole(), acts=["view"], sequence_length=5).collect()
        assert user["region"] == "south"
        versions = item_versions(catalogue(spark))
        item = items(state, {"full": facts_of(each)}, versions, whole(UNTIL), blocked=()).collect()[
            0
        ]
        assert (item["title"], item["price"]) == ("new", 1.0)


def history(spark: SparkSession) -> DataFrame:
    """Two hundred events of a few users and items, with many ties in time."""
    kinds = ("purchase", "view", "cancel", "impression")
    return events(
        spark,
        *(
            {
                "user_key": None if number % 11 == 0 else f"u{number % 7}",
                "item_id": f"i{number % 13}",
                "event_type": kinds[number % 4],
                "event_time": ago((number * 37 % 120) / 4),
                "region": (None, "north", "south")[number % 3],
                "title": None if number % 5 else f"title {number}",
                "consent": number % 17 != 0,
                "batch_seq": 1 + number % 3,
            }
            for number in range(200)
        ),
    )


def all_digests(
    spark: SparkSession, frame: DataFrame, *, until: dt.datetime
) -> list[tuple[str, int]]:
    seen = visible_events(frame, until=until, horizon=2)
    clocks = clock(half_life_days=30.0, popular=14.0, until=until)
    cutoff = until - dt.timedelta(days=7)
    past = fold(visible_events(frame, until=cutoff, horizon=2), clocks)
    everything = merged(past, fold(seen.where(F.col("event_time") >= F.lit(cutoff)), clocks))
    state = consented(everything, refusals(consents(spark), horizon=2))
    known, versions = profile_versions(profiles(spark)), item_versions(catalogue(spark))
    made_of_it = [
        made(state, until=until, half_life_days=30.0),
        popularity(state, whole(until), decay=clocks.popularity, weights=WEIGHTS),
        users(state, known, whole(until), acts=["purchase"], sequence_length=5),
        items(everything, {"full": facts_of(seen, until)}, versions, whole(until), blocked=["i1"]),
        holdout(seen, since=cutoff, until=until, relevant_types=["purchase"]),
    ]
    return [frame_digest(each) for each in made_of_it]


def test_nothing_after_the_instant_and_nothing_of_later_batches_is_seen(
    spark: SparkSession,
) -> None:
    """Everything after `until` is altered or taken away, and a later batch is landed."""
    until = ago(7)
    frame = history(spark)
    past, future = F.col("event_time") < F.lit(until), F.col("event_time") >= F.lit(until)
    altered = (
        frame.where(future)
        .withColumn("item_id", F.lit("i0"))
        .withColumn("user_key", F.reverse("user_key"))
        .withColumn("consent", F.lit(False))
        .withColumn("region", F.lit("nowhere"))
        .withColumn("title", F.lit("spoiler"))
    )
    later = frame.where(past).withColumn("batch_seq", F.lit(3).cast("bigint"))
    later = later.withColumn("event_id", F.concat(F.lit("x"), "event_id"))
    digests = all_digests(spark, frame, until=until)
    assert min(rows for _, rows in digests) > 0
    assert all_digests(spark, frame.where(past), until=until) == digests
    assert all_digests(spark, frame.where(past).union(altered).union(later), until=until) == digests


def test_neither_order_nor_partitions_change_a_bit_and_inputs_are_left_as_they_were(
    spark: SparkSession,
) -> None:
    frame = history(spark)
    before = (frame.columns, frame_digest(frame))
    digests = all_digests(spark, frame, until=UNTIL)
    turned = frame.orderBy(F.xxhash64("event_id")).repartition(7, "item_id")
    assert all_digests(spark, turned, until=UNTIL) == digests
    assert (frame.columns, frame_digest(frame)) == before


def test_parts_made_in_one_pass_are_those_made_of_their_own_events(spark: SparkSession) -> None:
    """The whole and the past beside it, of users, items, regions that only one of them knows."""
    frame = history(spark)
    cutoff = ago(7)
    clocks = clock(half_life_days=30.0, popular=14.0)
    known = profile_versions(profiles(spark, {"user_key": "u1", "region": "west"}))
    before = fold(frame.where(F.col("event_time") < F.lit(cutoff)), clocks)
    since = frame.where(
        (F.col("event_time") >= F.lit(cutoff)) & (F.col("event_time") < F.lit(UNTIL))
    )
    state = past_and_whole(before, fold(since, clocks))
    beside = (*whole(), Part("train", cutoff, PAST))
    apart = {"full": state_of(frame, half_life_days=30.0, popular=14.0), "train": before}

    def tables(of: DataFrame, parts: Sequence[Part]) -> list[DataFrame]:
        kept = {"weights": WEIGHTS}
        return [
            interactions(of, parts, decay=clocks.interest, seen_types=["purchase"], **kept),
            popularity(of, parts, decay=clocks.popularity, **kept),
            users(of, known, parts, acts=["purchase", "view"], sequence_length=3),
        ]

    for part in beside:
        alone = tables(apart[part.name], [Part(part.name, part.until)])
        for together, own in zip(tables(state, beside), alone, strict=True):
            found = frame_digest(together.where(F.col("part") == part.name))
            assert found == frame_digest(own)
            assert found[1] > 0
