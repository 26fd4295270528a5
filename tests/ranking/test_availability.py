"""No list holds an item that is not on offer, from catalogue rows to the lists of every source."""

from __future__ import annotations

import datetime as dt

import pytest
from features.events import (
    UNTIL,
    WEIGHTS,
    ago,
    catalogue,
    clock,
    events,
    facts_of,
    profiles,
    state_of,
)

from recsys_batch.features.entities import items, users
from recsys_batch.features.interactions import interactions, popularity
from recsys_batch.features.versions import item_versions, profile_versions
from recsys_batch.ranking.catalog import make_catalog
from recsys_batch.ranking.inputs import ranking_input
from recsys_batch.ranking.runner import rank_users, segment_lists

pytestmark = pytest.mark.spark

ROWS = (
    {"item_id": "always"},
    {"item_id": "over", "available_until": ago(2)},
    {"item_id": "not yet", "available_from": ago(2)},
    {"item_id": "deleted", "valid_from": ago(9)},
    {"item_id": "deleted", "valid_from": ago(2), "deleted": True},
)
NAMES = sorted({row["item_id"] for row in ROWS})
DAYS = {ago(2): {"always", "deleted"}, UNTIL: {"always", "not yet"}}


@pytest.mark.parametrize("until", DAYS, ids=["before", "after"])
def test_lists_of_a_day_hold_what_is_on_offer_then(spark, until: dt.datetime) -> None:
    """By the model's score, by popularity in a region and with all: each knows every item."""
    bought = [{"user_key": "buyer", "item_id": item, "region": "north"} for item in NAMES]
    old = {"event_time": ago(5)}
    frame = events(spark, *({**row, **old} for row in bought), {**old, "user_key": "new"})
    versions = item_versions(catalogue(spark, *ROWS))
    vectors = [(item, [1.0, float(place)]) for place, item in enumerate([*NAMES, "i"])]
    state, clocks = state_of(frame, until), clock(until=until)
    known = make_catalog(
        items(state, facts_of(frame, until), versions, until=until, blocked=["i"]).toArrow(),
        spark.createDataFrame(vectors, "item_id STRING, factors ARRAY<FLOAT>").toArrow(),
        popularity(state, until=until.date(), decay=clocks.popularity, weights=WEIGHTS).toArrow(),
    )
    nobody = profile_versions(profiles(spark))
    people = users(state, nobody, until=until, acts=["purchase"], sequence_length=5)
    pairs = interactions(
        state, until=until.date(), decay=clocks.interest, weights=WEIGHTS, seen_types=[]
    )
    factors = spark.createDataFrame(
        [("buyer", [1.0, 1.0])], "user_key STRING, factors ARRAY<FLOAT>"
    )
    ranked = rank_users(ranking_input(people, factors, pairs), known, n=9, exclude_seen=False)
    lists = {
        row["user_key"]: {each["item_id"] for each in row["items"]} for row in ranked.collect()
    }
    assert lists == {"buyer": DAYS[until], "new": DAYS[until]}
    segments = {
        segment: {each["item_id"] for each in held}
        for _, segment, held in segment_lists(known, n=9)
    }
    assert segments == {None: DAYS[until], "north": DAYS[until]}
