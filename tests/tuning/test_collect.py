"""Events to a log: against a plain reading of the events, and equal in any order of rows."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from features.events import UNTIL, ago, catalogue, events
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.tuning.collect import day_acts, item_facts, make_log
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.shown import acted_on, impressions_of, shown_items

WEIGHTS = {"purchase": 1.0, "view": 0.25, "cancel": -1.0}
DAY = dt.date(2026, 1, 1)
FIELDS = (
    ("user_key", pa.string()),
    ("item_id", pa.string()),
    ("event_date", pa.date32()),
    ("event_type", pa.string()),
    ("region", pa.string()),
    ("acts", pa.int64()),
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["aa", "0b", "ff", None]),
        st.sampled_from(["x", "y", "é"]),
        st.integers(0, 5).map(lambda day: DAY + dt.timedelta(days=day)),
        st.sampled_from(["purchase", "view", "cancel", "click"]),
        st.sampled_from(["north", "süd", None]),
    )
)
ITEMS = pa.table(
    {
        "item_id": ["y", "é", "x"],
        "day": pa.array([DAY, None, DAY + dt.timedelta(days=2)], pa.date32()),
        "text": ["a coat", None, ""],
    }
)


def grouped(rows) -> pa.Table:
    counts: dict[tuple, int] = defaultdict(int)
    for row in rows:
        counts[row] += 1
    columns = list(zip(*((*row, count) for row, count in counts.items()), strict=True))
    arrays = columns or [()] * len(FIELDS)
    return pa.table(
        {name: pa.array(each, kind) for (name, kind), each in zip(FIELDS, arrays, strict=True)}
    )


def made(
    acts: pa.Table,
    items: pa.Table = ITEMS,
    max_acts: int = 1000,
    cohorts: pa.Table | None = None,
) -> Log:
    return make_log(
        acts,
        items,
        cohorts=cohorts,
        weights=WEIGHTS,
        relevant_types=["purchase"],
        seen_types=["purchase", "click"],
        max_acts=max_acts,
    )


@settings(max_examples=100, deadline=None)
@given(rows=ACTS, data=st.data())
def test_a_log_is_what_the_events_say_in_any_order(rows, data):
    log = made(grouped(rows))
    keys = sorted({row[0] for row in rows if row[0] is not None})
    assert log.n_users == len(keys)
    assert log.texts == ("", "a coat", "")  # x, y, é
    first = (DAY - dt.date(1970, 1, 1)).days
    assert log.first_days.tolist() == [first + 2, first, 0]
    expected: dict[tuple, float] = defaultdict(float)
    for user, item, day, kind, _ in rows:
        place = -1 if user is None else keys.index(user)
        number = (day - dt.date(1970, 1, 1)).days
        flags = (kind == "purchase", kind in {"purchase", "click"})
        expected[place, "xyé".index(item), number, *flags] += WEIGHTS.get(kind, 0.0)
    found: dict[tuple, float] = defaultdict(float)
    columns = (log.users, log.items, log.days, log.relevant, log.seen)
    for *key, weight in zip(*(each.tolist() for each in (*columns, log.weights)), strict=True):
        found[tuple(key)] += weight
    assert found == pytest.approx(expected)
    for place, key in enumerate(keys):
        named = [(day, region) for user, _, day, _, region in rows if user == key and region]
        names = sorted({region for *_, region in rows if region})
        region = -1 if not named else names.index(max(named)[1])
        assert log.regions[place] == region
    moved = grouped(data.draw(st.permutations(rows)))
    other = made(moved, ITEMS.take([1, 2, 0]))
    for name in ("users", "items", "days", "weights", "regions", "first_days"):
        assert getattr(log, name).tobytes() == getattr(other, name).tobytes()


def test_of_a_long_log_the_same_share_of_users_is_taken_whole():
    keys = [f"{number:08x}" for number in range(0, 2**32, 2**24)]
    rows = [(key, item, DAY, "purchase", None) for key in keys for item in ("x", "y")]
    log = made(grouped([*rows, (None, "x", DAY, "purchase", None)]), max_acts=128)
    assert log.n_users == pytest.approx(len(keys) / 4, abs=2)
    assert len(log.users) == 2 * log.n_users
    again = made(grouped(rows[::-1]), max_acts=128)
    assert log.n_users == pytest.approx(again.n_users, abs=1)


def test_users_are_of_the_cohorts_that_profiles_name():
    rows = [(key, "x", DAY, "purchase", None) for key in ("ff", "aa", None, "0b")]
    told = pa.table({"user_key": ["ff", "idle", "0b"], "cohort": ["new", "gone", "loyal"]})
    log = made(grouped(rows), cohorts=told)
    assert (log.cohorts.tolist(), log.n_cohorts) == ([0, -1, 1], 2)  # 0b, aa, ff
    assert set(made(grouped(rows)).cohorts.tolist()) == {-1}


@pytest.mark.spark
def test_events_are_counted_by_day_and_items_known_from_their_first(spark):
    frame = events(
        spark,
        {"event_time": ago(3), "title": "Coat", "region": "north"},
        {"event_time": ago(3), "region": "north"},
        {"event_time": ago(1), "event_type": "view"},
        {"event_time": ago(2), "event_type": "impression", "item_id": "shown"},
        {"event_time": ago(2), "user_key": None, "item_id": "j", "category": "hats"},
    )
    acts = day_acts(frame, ["purchase", "view"])
    day = UNTIL.date()
    assert {tuple(row) for row in acts.collect()} == {
        ("u", "i", day - dt.timedelta(days=3), "purchase", "north", 2),
        ("u", "i", day - dt.timedelta(days=1), "view", None, 1),
        (None, "j", day - dt.timedelta(days=2), "purchase", None, 1),
    }
    stated = catalogue(
        spark,
        {"item_id": "i", "valid_from": ago(9), "title": "A coat", "tags": ["new", "wool"]},
        {"item_id": "ever", "title": "Always"},
    )
    found = item_facts(frame, stated)
    facts = {row["item_id"]: (row["day"], row["text"].strip()) for row in found.collect()}
    assert facts == {
        "i": (day - dt.timedelta(days=9), "Coat"),
        "ever": (None, "Always"),
        "shown": (day - dt.timedelta(days=2), ""),
        "j": (day - dt.timedelta(days=2), "hats"),
    }
    log = made(acts.toArrow(), found.toArrow())
    assert log.n_users == 1
    assert np.isclose(log.weights.sum(), 2 * 1.0 + 0.25 + 1.0)


SHOWN = (
    ("user_key", pa.string()),
    ("item_id", pa.string()),
    ("event_date", pa.date32()),
    ("request_id", pa.string()),
    ("position", pa.int32()),
    ("clicked", pa.bool_()),
)


def shown_table(rows) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(SHOWN)
    return pa.table(
        {name: pa.array(each, kind) for (name, kind), each in zip(SHOWN, columns, strict=True)}
    )


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["aa", "ff", "never acted"]),
            st.sampled_from(["x", "y", "not known"]),
            st.integers(0, 3).map(lambda day: DAY + dt.timedelta(days=day)),
            st.sampled_from(["r1", "r2", "r3"]),
            st.integers(1, 4),
            st.booleans(),
        )
    ),
    data=st.data(),
)
def test_impressions_of_known_users_and_items_are_kept_in_any_order(rows, data):
    keys, ids = pa.array(["aa", "ff"]), pa.array(["x", "y"])
    found = impressions_of(shown_table(rows), keys, ids)
    first = (DAY - dt.date(1970, 1, 1)).days
    known = [row for row in rows if row[0] != "never acted" and row[1] != "not known"]
    asked = sorted({row[3] for row in rows})
    assert sorted(
        (keys[user].as_py(), ids[item].as_py(), day - first, asked[request], position, clicked)
        for user, item, day, request, position, clicked in zip(
            *(
                each.tolist()
                for each in (
                    found.users,
                    found.items,
                    found.days,
                    found.requests,
                    found.positions,
                    found.clicked,
                )
            ),
            strict=True,
        )
    ) == sorted((row[0], row[1], (row[2] - DAY).days, *row[3:]) for row in known)
    moved = impressions_of(shown_table(data.draw(st.permutations(rows))), keys, ids)
    for name in ("users", "items", "days", "requests", "positions", "clicked"):
        assert getattr(moved, name).tobytes() == getattr(found, name).tobytes()


MINUTE = 60_000_000
EVENT_FIELDS = (
    ("user_key", pa.string()),
    ("item_id", pa.string()),
    ("request_id", pa.string()),
    ("event_date", pa.date32()),
    ("event_id", pa.string()),
    ("event_type", pa.string()),
    ("position", pa.int32()),
    ("event_time", pa.int64()),
)


def told(*rows: tuple[str, str, str | None, float, int | None]) -> pa.Table:
    """Events of (type, item, request, minutes after the first midnight, position) of user u."""
    made = [
        (
            "u",
            item,
            request,
            DAY + dt.timedelta(days=int(minute // 1440)),
            f"{number:03}",
            kind,
            position,
            int(minute * MINUTE),
        )
        for number, (kind, item, request, minute, position) in enumerate(rows)
    ]
    columns = list(zip(*made, strict=True)) or [()] * len(EVENT_FIELDS)
    return pa.table(
        {
            name: pa.array(each, kind)
            for (name, kind), each in zip(EVENT_FIELDS, columns, strict=True)
        }
    )


def test_an_impression_was_acted_on_by_its_request_or_soon_after_it():
    rows = acted_on(
        told(
            ("impression", "named", "r", 10, 1),
            ("impression", "other", "r", 10, 2),
            ("impression", "next day", "r", 10, 3),
            ("view", "named", "r", 15, 1),
            ("purchase", "named", "r", 700, 1),  # once is enough
            ("view", "other", None, 12, None),  # found by themselves, for there is no request
            ("view", "other", "q", 12, None),
            ("view", "next day", "r", 1440, 3),
            ("impression", "soon", None, 100, 1),
            ("impression", "soon", None, 105, 4),
            ("impression", "late", None, 100, 2),
            ("view", "soon", None, 110, None),  # after the later of both
            ("view", "late", None, 131, None),
            ("view", "late", None, 99, None),  # before it was shown
            ("impression", "midnight", None, 1439, 5),
            ("view", "midnight", None, 1441, None),
        )
    ).to_pylist()
    assert {(row["item_id"], row["position"]): row["clicked"] for row in rows} == {
        ("named", 1): True,
        ("other", 2): False,
        ("next day", 3): False,
        ("soon", 1): False,
        ("soon", 4): True,
        ("late", 2): False,
        ("midnight", 5): False,
    }
    requests = {(row["item_id"], row["position"]): row["request_id"] for row in rows}
    assert requests["named", 1] == requests["other", 2] == "r"
    assert requests["soon", 1] == requests["late", 2] != requests["soon", 4]


def test_a_slot_that_was_logged_twice_is_one():
    twice = [("impression", "i", "r", 10, 1), ("impression", "i", "r", 11, 1)]
    (row,) = acted_on(told(*twice, ("view", "i", "r", 12, 1))).to_pylist()
    assert row["clicked"]
    assert acted_on(told()).num_rows == 0


@pytest.mark.spark
def test_impressions_are_read_of_known_users_at_known_positions(spark):
    def shown(item: str, position: int | None, **changed):
        row = {"event_type": "impression", "item_id": item, "position": position}
        return {**row, "request_id": "r", **changed}

    frame = events(
        spark,
        shown("i", 1),
        shown("j", 2),
        shown("nowhere", None),
        shown("of nobody", 3, user_key=None),
        {"event_type": "view", "item_id": "i", "request_id": "r"},
        {"event_type": "purchase", "item_id": "j", "request_id": "r"},  # no act of these
    )
    found = shown_items(frame, ["view"], most=100)
    assert found.schema.names == [name for name, _ in SHOWN]
    assert {(row["item_id"], row["position"], row["clicked"]) for row in found.to_pylist()} == {
        ("i", 1, True),
        ("j", 2, False),
    }
    keys, ids = pa.array(["u"]), pa.array(["i", "j"])
    assert impressions_of(found, keys, ids).clicked.tolist() == [True, False]
    assert shown_items(frame.where("event_type = 'view'"), ["view"], most=100) is None
    assert len(shown_items(frame, ["view"], most=1)) == 0  # of a share of the keys, not of u
