"""A run heeds the refusals of users who have an event, wherever they refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.features.inputs import Inputs
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.store import Lake

from .events import UNTIL, ago, consents, events

pytestmark = pytest.mark.spark
NO: dict[str, Any] = {"granted": False}
IN_EVENT = {"source": "events", **NO}


@pytest.mark.parametrize(
    ("stated", "users"),
    [
        ([], set()),
        ([{"user_key": "a", **IN_EVENT}], {"a"}),
        ([{"user_key": "a", **NO}], {"a"}),
        ([{"user_key": "absent", **NO}], set()),
        ([{"user_key": "a", **IN_EVENT}, {"user_key": "b", **NO}], {"a", "b"}),
        ([{"user_key": "late", **IN_EVENT, "stated_at": ago(-1)}], set()),
        ([{"user_key": "next", **IN_EVENT, "batch_seq": 2}], set()),
        ([{"user_key": "next", **NO}, {"user_key": "late", **NO}], set()),
        # Consented in an event, refused elsewhere.
        ([{"user_key": "a", "granted": True, "source": "events"}, {"user_key": "a", **NO}], {"a"}),
    ],
)
def test_heeded_are_refusals_of_users_with_a_visible_event(
    spark: SparkSession, tmp_path: Path, stated: list[dict[str, Any]], users: set[str]
) -> None:
    lake = Lake(spark, tmp_path)
    rows = (
        {"user_key": "a"},
        {"user_key": "b"},
        {"user_key": "late", "event_time": ago(-1)},
        {"user_key": "next", "batch_seq": 2},
    )
    lake.append("events", events(spark, *rows))
    lake.append("consents", consents(spark, *stated))
    seen = Inputs(lake, UNTIL, 1)
    heeded = seen.refused.where(F.col("user_key").isin(list(users)))
    assert {row["user_key"] for row in heeded.collect()} == users
    assert seen.heeded() == frame_digest(heeded)[0]
