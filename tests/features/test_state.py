"""States merge into that of the union of their events, bit for bit."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.features import remembered
from recsys_batch.features.history import visible_events
from recsys_batch.features.remembered import past_state
from recsys_batch.features.state import Decay, fold, fold_facts, merged, merged_facts
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake

from .events import UNTIL, ago, clock, events, state_of

NOBODY = "user_key STRING, event_date DATE"

pytestmark = pytest.mark.spark

SEED = 5
DAYS = 40


def past_of(lake: Lake, *days: tuple[str, dt.date], **given: Any) -> tuple[DataFrame, DataFrame]:
    """The past but for the suspect days named, added up."""
    suspects = lake.spark.createDataFrame(list(days), NOBODY)
    states, facts = past_state(lake, suspects=suspects, **given)
    return merged(states), facts


def history(spark: SparkSession) -> DataFrame:
    """Three hundred events of forty days in six batches, a fifth of them late."""
    draw = random.Random(SEED)
    rows = []
    for _ in range(300):
        day = draw.randrange(DAYS)
        rows.append(
            {
                "user_key": draw.choice([None, "u", "v", "w"]),
                "item_id": draw.choice("abcde"),
                "event_type": draw.choice(["purchase", "view", "cancel"]),
                "event_time": ago(DAYS - day - draw.random() * 0.99),
                "region": draw.choice([None, "north"]),
                "title": draw.choice([None, "t1", "t2"]),
                "price": draw.choice([None, 0.1, 12.5]),
                "consent": draw.random() < 0.9,
                "batch_seq": min(6, 1 + day // 7 + (draw.random() < 0.2)),
            }
        )
    return events(spark, *rows)


def test_states_of_parts_merge_into_the_state_of_all(spark: SparkSession) -> None:
    frame = history(spark)
    for names in (["event_date"], ["batch_seq"], ["item_id", "event_id"]):
        part = F.abs(F.xxhash64(*names)) % 3
        parts = [frame.where(part == number) for number in range(3)]
        assert min(each.count() for each in parts) > 0
        assert frame_digest(merged(*(fold(each, clock()) for each in parts))) == frame_digest(
            fold(frame, clock())
        )
        assert frame_digest(merged_facts(*map(fold_facts, parts))) == frame_digest(
            fold_facts(frame)
        )


@pytest.mark.parametrize("order", ["forward", "reversed"])
def test_states_built_upon_each_other_are_those_of_all_events_at_once(
    spark: SparkSession, tmp_path: Path, order: str
) -> None:
    """Each day is run with the batches of its time, and some again after later ones landed."""
    frame = history(spark)
    lake = Lake(spark, tmp_path)
    lake.replace("events", frame)
    runs = [(day, 1 + day // 7) for day in (2, 12, 15, 24)] + [(9, 6), (DAYS, 6)]
    if order == "reversed":
        runs.reverse()
    clocks = clock()
    for day, horizon in runs:
        until = ago(DAYS - day)
        state, facts = past_of(lake, clock=clocks, until=until, horizon=horizon)
        seen = visible_events(frame, until=until, horizon=horizon)
        assert frame_digest(state) == frame_digest(fold(seen, clocks))
        assert frame_digest(facts) == frame_digest(fold_facts(seen))
    stored = {row["until"] for row in read_rows(tmp_path, "states")}
    days = {"forward": (2, 9, 12, 24, DAYS), "reversed": (2, 9, 12, 15, 24, DAYS)}
    assert stored == {ago(DAYS - day).date() for day in days[order]}


def test_only_the_last_states_are_kept_and_none_of_another_clock_is_built_upon(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_KEPT", 2)
    frame = history(spark)
    lake = Lake(spark, tmp_path)
    lake.replace("events", frame)
    for day in range(0, 28, 7):
        past_of(lake, clock=clock(100.0, 100.0), until=ago(DAYS - day), horizon=6)
    kept = {row["state_id"] for row in read_rows(tmp_path, "states")}
    assert len(kept) == 2
    for table in ("state_pairs", "state_facts"):
        assert {row["state_id"] for row in read_rows(tmp_path, table)} == kept
    other = clock(3.0)
    state, _ = past_of(lake, clock=other, until=UNTIL, horizon=6)
    assert frame_digest(state) == frame_digest(fold(frame, other))


def test_a_day_that_a_late_event_makes_suspect_is_left_out_of_what_was_remembered(
    spark: SparkSession, tmp_path: Path
) -> None:
    frame = history(spark)
    lake = Lake(spark, tmp_path)
    lake.replace("events", frame)
    past_of(lake, clock=clock(), until=ago(9), horizon=6)
    suspect = ("u", ago(20).date())
    left_out = ~((F.col("user_key") == suspect[0]) & (F.col("event_date") == F.lit(suspect[1])))
    kept = frame.where(left_out | F.col("user_key").isNull())
    assert kept.count() < frame.count()
    for _ in range(2):
        state, _ = past_of(lake, suspect, clock=clock(), until=ago(5), horizon=6)
        seen = visible_events(kept, until=ago(5), horizon=6)
        assert frame_digest(state) == frame_digest(fold(seen, clock()))


def test_a_day_before_any_event_has_no_state(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path)
    lake.replace("events", history(spark))
    state, facts = past_of(lake, clock=clock(), until=ago(90), horizon=6)
    assert (state.count(), facts.count()) == (0, 0)


def test_the_epoch_lies_within_twelve_half_lives_before_the_instant() -> None:
    for half_life in (0.05, 1.0, 7.0, 365.0):
        for day in (dt.date(2026, 1, 1), dt.date(2026, 7, 9), dt.date(1999, 12, 31)):
            days = (day - dt.date(1970, 1, 1)).days
            back = days - Decay.before(day, half_life).epoch
            assert 0 <= back < max(1.0, 12 * half_life)
    assert Decay.before(UNTIL.date(), None) == Decay(None, 0)


def test_sums_neither_overflow_nor_lose_what_is_recent(spark: SparkSession) -> None:
    """Of the oldest event nothing is left; of the newest all, whatever the half-life."""
    frame = events(
        spark,
        {"item_id": "new", "event_time": ago(0.5)},
        {"item_id": "old", "event_time": ago(9000)},
    )
    for half_life in (0.5, 2.0, 400.0):
        decay = Decay.before(UNTIL.date(), half_life)
        state = {row["item_id"]: row for row in state_of(frame, half_life_days=half_life).collect()}
        weight = state["new"]["units"] * decay.weight(UNTIL.date())
        assert weight == pytest.approx(2 ** (-1 / half_life), rel=1e-5)
        assert state["old"]["units"] * decay.weight(UNTIL.date()) < 1e-6
