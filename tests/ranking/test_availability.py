"""No list holds an item that is not on offer, from catalogue rows to the lists of every source."""

from __future__ import annotations

import datetime as dt

import numpy as np
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
    whole,
)

from ranking.cases import ranker, recipe
from recsys_batch.features.entities import items, users
from recsys_batch.features.interactions import interactions, popularity
from recsys_batch.features.versions import item_versions, profile_versions
from recsys_batch.models.sources import RegionalSettings, RepeatSettings
from recsys_batch.models.training import training
from recsys_batch.ranking.lists import segment_lists, user_lists
from recsys_batch.ranking.model import fit_model
from recsys_batch.ranking.reasons import Reasons

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
    """By factors, by what was taken, in a region and with all: each source knows every item."""
    bought = [{"user_key": "buyer", "item_id": item, "region": "north"} for item in NAMES]
    old = {"event_time": ago(5)}
    frame = events(spark, *({**row, **old} for row in bought), {**old, "user_key": "new"})
    versions = item_versions(catalogue(spark, *ROWS))
    state, clocks = state_of(frame, until), clock(until=until)
    nobody = profile_versions(profiles(spark))
    trained_on = training(
        interactions(
            state, whole(until), decay=clocks.interest, weights=WEIGHTS, seen_types=[]
        ).toArrow(),
        users(state, nobody, whole(until), acts=["purchase"], sequence_length=5).toArrow(),
        items(
            state, {"full": facts_of(frame, until)}, versions, whole(until), blocked=["i"]
        ).toArrow(),
        popularity(state, whole(until), decay=clocks.popularity, weights=WEIGHTS).toArrow(),
        until=until.date(),
    )
    sources = {"near": RegionalSettings(), "again": RepeatSettings()}
    for name in ("als", "popular", "near", "again"):
        weights = {each: float(each == name) for each in ("als", "popular", "near", "again")}
        made_by = recipe(sources, weights, newcomers="near", seen="allow")
        model = fit_model(trained_on, made_by)
        reasons = Reasons(model)
        under = ranker(model, 9)
        rows = user_lists(under, np.flatnonzero(trained_on.listed), reasons)
        lists = {
            row["user_key"]: {each["item_id"] for each in row["items"]} for row in rows.to_pylist()
        }
        assert lists == {"buyer": DAYS[until], "new": DAYS[until]}
        segments = {
            row["segment"]: {each["item_id"] for each in row["items"]}
            for row in segment_lists(under, reasons).to_pylist()
        }
        assert segments == {None: DAYS[until], "north": DAYS[until]}
