"""Cohorts of a log's users against plain dictionaries, and which of their versions holds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from features.events import UNTIL, ago, profiles
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.tuning.people import cohorts_of, known_cohorts


@settings(max_examples=50, deadline=None)
@given(
    told=st.dictionaries(st.sampled_from(["aa", "0b", "ff", "idle"]), st.sampled_from(["b", "é"])),
    data=st.data(),
)
def test_users_of_a_log_have_the_cohorts_that_are_told_of_them(told, data):
    pairs = data.draw(st.permutations(sorted(told.items())))
    table = pa.table(
        {"user_key": pa.array([key for key, _ in pairs], pa.string())}
        | {"cohort": pa.array([name for _, name in pairs], pa.string())}
    )
    codes, count = cohorts_of(table, pa.array(["0b", "aa", "ff"]))
    mine = {key: name for key, name in told.items() if key != "idle"}
    names = sorted(set(mine.values()))
    expected = [names.index(mine[key]) if key in mine else -1 for key in ("0b", "aa", "ff")]
    assert codes.tolist() == expected
    assert count == len(names)  # of those who acted


def test_without_profiles_nobody_is_of_a_cohort():
    codes, count = cohorts_of(None, pa.array(["aa"]))
    assert (codes.tolist(), count) == ([-1], 0)


@pytest.mark.spark
def test_cohorts_are_those_that_held_at_the_end_of_users_who_may_have_a_list(spark):
    told = profiles(
        spark,
        {"user_key": "u", "cohort": "old"},
        {"user_key": "u", "cohort": "new", "valid_from": ago(1)},
        {"user_key": "u", "cohort": "future", "valid_from": UNTIL},
        {"user_key": "none", "region": "north"},
        {"user_key": "silent", "cohort": "new"},
        {"user_key": "untrained", "cohort": "old"},
    )
    refused = spark.createDataFrame(
        [("silent", "personalization"), ("untrained", "training")],
        "user_key STRING, purpose STRING",
    )
    found = known_cohorts(told, refused, until=UNTIL).toArrow().to_pylist()
    assert {row["user_key"]: row["cohort"] for row in found} == {"u": "new", "untrained": "old"}
