"""All features of a run: the part before the hold-out knows nothing of the days that judge it."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.config import load_settings
from recsys_batch.features.consent import refusals
from recsys_batch.features.state import fold, fold_facts
from recsys_batch.features.tables import cutoff_of, feature_tables
from recsys_batch.lake.digests import frame_digest

from .events import UNTIL, ago, catalogue, clock, consents, events, profiles

pytestmark = pytest.mark.spark
DAY = (UNTIL - dt.timedelta(days=1)).date()


def tables(
    spark: SparkSession,
    frame: DataFrame,
    stated: DataFrame,
    *,
    users: DataFrame | None = None,
    window_days: int | None = None,
) -> dict[str, DataFrame]:
    """Features of the day, a week of it held out."""
    settings = load_settings(
        "sample",
        overrides={"evaluation.holdout_days": 7, "features.window_days": window_days},
    )
    before = frame.where(F.col("event_time") < F.lit(cutoff_of(DAY, settings)))
    return feature_tables(
        frame,
        fold(before, clock()),
        fold_facts(before),
        stated,
        profiles(spark) if users is None else users,
        refused=refusals(consents(spark), horizon=1),
        clock=clock(),
        day=DAY,
        settings=settings,
        run_id="run",
    )


def history(spark: SparkSession) -> DataFrame:
    kinds = ("purchase", "view", "add_to_cart", "impression")
    return events(
        spark,
        *(
            {
                "user_key": f"u{number % 5}",
                "item_id": f"i{number % 7}",
                "event_type": kinds[number % 4],
                "event_time": ago(0.5 + number % 20),
                "region": ("north", "south")[number % 2],
                "title": f"title {number}",
                "price": float(number),
            }
            for number in range(80)
        ),
    )


def known_then(made: dict[str, DataFrame]) -> dict[str, tuple[str, int]]:
    """Digest of what each table says of the part before the hold-out."""
    parts = {
        name: frame.where("part = 'train'") for name, frame in made.items() if name != "holdout"
    }
    parts["items"] = parts["items"].where("recommendable or first_time is not null")
    return {name: frame_digest(frame) for name, frame in parts.items()}


@pytest.mark.parametrize("window_days", [None, 5])
def test_what_the_held_out_days_bring_changes_nothing_before_them(
    spark: SparkSession, window_days: int | None
) -> None:
    """Its events tell of other users, items, texts and places; its catalogue of all items anew."""
    frame = history(spark)
    behind = F.col("event_time") >= F.lit(ago(7))
    altered = (
        frame.where(behind)
        .withColumn("item_id", F.concat(F.lit("new "), "item_id"))
        .withColumn("user_key", F.reverse("user_key"))
        .withColumn("region", F.lit("nowhere"))
    )
    spoilt = frame.where(behind).withColumn("title", F.lit("spoiler"))
    later = altered.unionByName(spoilt.withColumn("event_id", F.concat(F.lit("x"), "event_id")))
    old = [{"item_id": f"i{number}", "title": "stated"} for number in range(2)]
    new = [
        {"item_id": "i0", "title": "spoiler", "price": 99.0, "valid_from": ago(3)},
        {"item_id": "i1", "deleted": True, "valid_from": ago(3)},
        {"item_id": "new i1", "title": "spoiler", "valid_from": ago(2)},
    ]
    plain = tables(spark, frame, catalogue(spark, *old), window_days=window_days)
    expected = known_then(plain)
    assert min(rows for _, rows in expected.values()) > 0
    moved = {"user_key": "u1", "region": "nowhere", "cohort": "later", "valid_from": ago(1)}
    found = tables(
        spark,
        frame.where(~behind).unionByName(later),
        catalogue(spark, *old, *new),
        users=profiles(spark, moved),
        window_days=window_days,
    )
    assert known_then(found) == expected
    assert frame_digest(found["holdout"]) != frame_digest(plain["holdout"])


def test_a_window_leaves_older_interactions_without_weight_and_seen_as_they_were(
    spark: SparkSession,
) -> None:
    frame = events(
        spark,
        {"item_id": "old", "event_time": ago(12)},
        {"item_id": "lately", "event_time": ago(9)},
        {"item_id": "held out", "event_time": ago(2)},
    )

    def weighing(window_days: int | None) -> dict[str, set[str]]:
        made = tables(spark, frame, catalogue(spark), window_days=window_days)["interactions"]
        rows = made.where("weight > 0").collect()
        assert {row["item_id"] for row in made.where("part = 'full' and seen").collect()} == {
            *("old", "lately", "held out")
        }
        return {
            part: {row["item_id"] for row in rows if row["part"] == part}
            for part in ("full", "train")
        }

    assert weighing(None) == {"full": {"old", "lately", "held out"}, "train": {"old", "lately"}}
    assert weighing(4) == {"full": {"held out"}, "train": {"lately"}}
