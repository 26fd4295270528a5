"""The suites under the real Great Expectations, on frames whose faults are counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from recsys_batch.contracts.expectations import Outcome, Verdict, validate
from recsys_batch.contracts.facts import TOPN_FACTS, topn_facts
from recsys_batch.contracts.suites import events_suite, interactions_suite, topn_suite
from recsys_batch.errors import ContractError, ValidationFailedError
from recsys_batch.lake.tables import TABLES

pytestmark = pytest.mark.spark

DAY = date(2026, 3, 10)
EVENTS = (
    "event_id string, user_key string, item_id string, event_type string, "
    "event_time timestamp, event_date date, request_id string, position int, propensity double, "
    "price double, quantity double"
)
LISTS = "user_key string, items array<struct<item_id: string, score: float>>"


def available(spark, *, fewer: dict[int, int] | None = None):
    """Five items for each of five users, or fewer."""
    rows = [(key(user), (fewer or {}).get(user, 5)) for user in range(5)]
    return spark.createDataFrame(rows, "user_key string, available long")


def key(number: int) -> str:
    return f"{number:064x}"


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "user_key": key(number % 3),
        "item_id": f"i{number % 5}",
        "event_type": "view",
        "event_time": datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC),
        "event_date": DAY,
        "request_id": "r",
        "position": 1,
        "propensity": 1.0,
        "price": 0.0,
        "quantity": None,
    } | changes


def of(verdict: Verdict, expectation: str, column: str | None) -> Outcome:
    (found,) = [
        each
        for each in verdict.outcomes
        if (each.expectation, each.column) == (expectation, column)
    ]
    return found


def failed(verdict: Verdict) -> set[str | None]:
    return {each.column for each in verdict.outcomes if not each.success}


@pytest.fixture(scope="module")
def good_events(spark):
    return spark.createDataFrame([event(n) for n in range(20)], EVENTS)


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def good_verdict(good_events, docs):
    return validate(good_events, events_suite(as_of=DAY), name="events", run_id="r1", docs=docs)


@pytest.fixture(scope="module")
def bad_verdict(spark, tmp_path_factory):
    late = datetime(2026, 3, 12, 0, 0, 1, tzinfo=UTC)
    rows = [
        *(event(n) for n in range(10)),
        event(1),  # e1 again
        event(11, event_type="teleport"),
        event(12, event_time=late, event_date=late.date()),  # a second over 24 h after the day
        event(13, event_time=datetime(1970, 1, 1, tzinfo=UTC), event_date=date(1970, 1, 1)),
        event(14, event_date=date(2026, 3, 11)),
        event(15, user_key="alice@example.com"),
        event(16, position=0),
        event(17, propensity=0.0),
        event(18, propensity=1.5),
        event(19, propensity=float("nan")),
        event(20, price=-0.01),
        event(21, price=float("inf")),
        event(22, item_id=None),
        event(23, event_time=None),
        event(24, quantity=-1.0),
        event(25, quantity=-1.0, event_type="cancel"),
    ]
    docs = tmp_path_factory.mktemp("docs")
    frame = spark.createDataFrame(rows, EVENTS)
    return validate(frame, events_suite(as_of=DAY), name="events", run_id="r-bad", docs=docs), docs


def test_good_events_pass_with_counted_rows(good_verdict):
    assert good_verdict.passed
    assert failed(good_verdict) == set()
    good_verdict.raise_if_failed()
    rows = of(good_verdict, "expect_table_row_count_to_be_between", None)
    assert json.loads(rows.observed) == {"observed_value": 20}
    assert of(good_verdict, "expect_column_values_to_be_unique", "event_id").unexpected_count == 0


def test_rows_fit_the_validations_table(good_verdict):
    table = TABLES["validations"]
    names = {name for name, *_ in table.columns}
    assert all(set(row) == names for row in good_verdict.rows)
    keys = {tuple(row[name] for name in table.keys) for row in good_verdict.rows}
    assert len(keys) == len(good_verdict.rows) == len(events_suite(as_of=DAY).checks)


def test_a_rerun_changes_no_byte_prints_nothing_and_keeps_nothing_cached(
    good_events, good_verdict, docs, spark, capfd
):
    def files():
        return {path: path.read_bytes() for path in docs.rglob("*") if path.is_file()}

    before, cached = files(), spark.sparkContext._jsc.getPersistentRDDs().size()
    again = validate(good_events, events_suite(as_of=DAY), name="events", run_id="r1", docs=docs)
    assert again == good_verdict
    assert files() == before
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == cached
    assert capfd.readouterr().out == ""


def test_pages_need_no_network_and_an_empty_frame_fails_on_its_rows(
    good_events, good_verdict, docs
):
    empty = good_events.limit(0)
    suite = events_suite(as_of=DAY)
    verdict = validate(empty, suite, name="events", run_id="../r2<b>", docs=docs)
    (lone,) = verdict.failed_critical
    assert lone.expectation == "expect_table_row_count_to_be_between"
    assert good_verdict.page == docs / "r1" / "events.html"
    index = (docs / "index.html").read_text()
    for text in (good_verdict.page.read_text(), index):
        assert "http" not in text
        assert "<b>" not in text
    assert "expect_column_values_to_be_unique" in good_verdict.page.read_text()
    assert f"{len(suite.checks)} of {len(suite.checks)} expectations hold." in index
    assert "1 critical failed" in index
    assert {path.name for path in docs.iterdir()} == {"index.html", "r1", "___r2_b_"}


def test_each_fault_is_counted(bad_verdict):
    verdict, _ = bad_verdict
    between = "expect_column_values_to_be_between"
    pair = "expect_column_pair_values_to_be_equal"
    null = "expect_column_values_to_not_be_null"
    assert {
        (each.expectation, each.column): each.unexpected_count
        for each in verdict.outcomes
        if not each.success
    } == {
        ("expect_column_values_to_be_unique", "event_id"): 2,  # both of the pair
        (null, "item_id"): 1,
        (null, "event_time"): 1,
        ("expect_column_values_to_be_in_set", "event_type"): 1,
        (between, "hours_after_day"): 2,
        (pair, "event_date,event_time_date"): 2,  # the wrong day, and the day without a time
        ("expect_column_values_to_match_regex", "user_key"): 1,
        (between, "position"): 1,
        (between, "propensity"): 3,
        (between, "price"): 2,
        ("expect_column_values_to_be_null", "negative_quantity"): 1,  # of what is no cancellation
    }


def test_failure_names_the_expectation_the_place_and_the_counts(bad_verdict):
    verdict, docs = bad_verdict
    with pytest.raises(ValidationFailedError) as caught:
        verdict.raise_if_failed()
    text = str(caught.value)
    assert text.startswith("events.event_id: expectation expect_column_values_to_be_unique")
    assert "2 of 26 rows" in text
    assert "10 more critical failed" in text
    assert "last publication stays live" in text
    assert str(docs / "r-bad" / "events.html") in text


def test_raw_values_of_identifiers_never_leave(bad_verdict):
    verdict, docs = bad_verdict
    assert "teleport" in of(verdict, "expect_column_values_to_be_in_set", "event_type").observed
    written = "".join(path.read_text() for path in docs.rglob("*.*") if path.is_file())
    assert "teleport" in written
    assert "alice" not in written + json.dumps(verdict.rows)
    assert key(1) not in written


def test_anonymous_share_warns_and_the_allowance_ends_where_it_says(spark):
    last = datetime(2026, 3, 11, 2, tzinfo=UTC)
    rows = [event(n, user_key=None if n < 6 else key(n)) for n in range(8)] + [
        event(8, event_time=last, event_date=last.date()),
        event(9, event_time=last + timedelta(milliseconds=1), event_date=last.date()),
    ]
    frame = spark.createDataFrame(rows, EVENTS)
    suite = events_suite(as_of=DAY, max_future_hours=2.0)
    verdict = validate(frame, suite, name="events", run_id="r1")
    (late,) = verdict.failed_critical
    assert (late.column, late.unexpected_count) == ("hours_after_day", 1)
    share = of(verdict, "expect_column_proportion_of_non_null_values_to_be_between", "user_key")
    assert (share.success, share.severity) == (False, "warning")
    assert json.loads(share.observed) == {"observed_value": pytest.approx(0.4)}


def test_a_warning_alone_does_not_stop_a_run(good_verdict):
    warned = tuple(
        replace(each, success=False, severity="warning") for each in good_verdict.outcomes
    )
    verdict = replace(good_verdict, outcomes=warned)
    assert verdict.passed
    verdict.raise_if_failed()


def test_a_missing_column_is_named(good_events):
    with pytest.raises(ContractError, match=r"events: column 'price' does not exist"):
        validate(good_events.drop("price"), events_suite(as_of=DAY), name="events", run_id="r1")


def test_an_expectation_that_cannot_be_evaluated_fails(good_events):
    suite = events_suite(as_of=DAY)
    broken = replace(suite, view=lambda frame: frame.drop("price"))
    verdict = validate(good_events, broken, name="events", run_id="r1")
    found = of(verdict, "expect_column_values_to_be_between", "hours_after_day")
    assert not found.success
    with pytest.raises(ValidationFailedError, match="could not be evaluated"):
        verdict.raise_if_failed()


def test_interactions(spark):
    schema = "part string, user_key string, item_id string, weight double"
    rows = [
        ("full", key(1), "a", 0.5),
        ("train", key(1), "a", 0.5),
        ("full", key(1), "b", 1e-9),
    ]
    suite = interactions_suite()
    good = spark.createDataFrame(rows, schema)
    assert validate(good, suite, name="interactions", run_id="r1").passed
    rows += [
        ("full", key(2), "a", 1.0),
        ("full", key(2), "a", 2.0),
        ("full", key(3), "a", 0.0),
        ("full", key(3), "b", float("nan")),
        ("full", key(3), "c", float("inf")),
        ("train", key(3), "d", None),
        ("train", key(4), None, 1.0),
    ]
    bad = spark.createDataFrame(rows, schema)
    verdict = validate(bad, suite, name="interactions", run_id="r1")
    assert {
        (each.expectation, each.column, each.unexpected_count) for each in verdict.failed_critical
    } == {
        ("expect_column_values_to_not_be_null", "lowest_weight", 1),
        ("expect_column_values_to_be_between", "lowest_weight", 1),
        ("expect_column_values_to_be_between", "highest_weight", 1),
        ("expect_column_pair_values_to_be_equal", "n_pairs,n_distinct", 2),
    }
    nan = spark.createDataFrame([("full", key(1), "a", float("nan"))], schema)
    assert not validate(nan, suite, name="interactions", run_id="r1").passed


@pytest.fixture(scope="module")
def catalogue(spark):
    items = spark.createDataFrame([(each,) for each in "abcde"], "item_id string")
    seen = spark.createDataFrame(
        [(key(1), "a"), (key(1), "b"), (key(1), "z")], "user_key string, item_id string"
    )
    return items, seen


def test_facts_by_hand(spark, catalogue):
    items, seen = catalogue
    nan = float("nan")
    lists = spark.createDataFrame(
        [
            (key(0), [("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 1.0)]),  # N of four
            (key(1), [("c", 3.0), ("d", 2.0), ("e", 1.0)]),  # all that is left unseen
            (key(2), [("a", 1.0), ("a", 2.0), ("x", 3.0), ("y", nan)]),
            (key(3), []),
            (key(4), None),
        ],
        LISTS,
    )
    left = available(spark, fewer={1: 3})
    facts = topn_facts(lists, n=4, available=left, recommendable=items, seen=seen)
    assert tuple(facts.columns) == TOPN_FACTS
    assert {tuple(row) for row in facts.collect()} == {
        # n_items, n_expected, n_distinct, n_blocked, n_seen, n_unsorted, n_bad_scores
        (key(0), 4, 4, 4, 0, 0, 0, 0),
        (key(1), 3, 3, 3, 0, 0, 0, 0),
        (key(2), 4, 4, 3, 2, 0, 3, 1),  # 1 < 2 < 3 < NaN
        (key(3), 0, 4, 0, 0, 0, 0, 0),
        (key(4), 0, 4, 0, 0, 0, 0, 0),
    }
    shown = spark.createDataFrame([(key(1), [("a", 2.0), ("c", 1.0), ("z", 0.5)])], LISTS)
    (row,) = topn_facts(shown, n=4, available=left, recommendable=items, seen=seen).collect()
    assert (row.n_seen, row.n_blocked) == (1, 1)  # z is seen too, but blocked already
    (row,) = topn_facts(shown, n=4, available=available(spark), recommendable=items).collect()
    assert (row.n_seen, row.n_expected) == (0, 4)


def test_finished_lists(spark, catalogue):
    items, seen = catalogue
    rows = [
        (key(1), [("c", 3.0), ("d", 2.0), ("e", 1.0)]),
        (key(2), [("a", 2.0), ("b", 1.0), ("c", 0.0)]),
    ]
    told = {"available": available(spark, fewer={1: 3}), "recommendable": items, "seen": seen}
    good = topn_facts(spark.createDataFrame(rows, LISTS), n=3, **told)
    assert validate(good, topn_suite(users=2), name="topn_user", run_id="r1").passed
    rows += [(key(3), [("a", 2.0), ("a", 1.0)]), (key(3), [("x", float("inf"))])]
    bad = topn_facts(spark.createDataFrame(rows, LISTS), n=3, **told)
    verdict = validate(bad, topn_suite(users=3), name="topn_user", run_id="r1")
    assert failed(verdict) == {
        None,
        "user_key",
        "n_items,n_expected",
        "n_items,n_distinct",
        "n_blocked",
        "n_bad_scores",
    }
    with pytest.raises(ValidationFailedError, match=r"^topn_user: .*there are 3 lists.*observed 4"):
        verdict.raise_if_failed()


def test_importing_the_room_does_not_import_great_expectations():
    code = (
        "import sys, recsys_batch.contracts.expectations\n"
        "print('great_expectations' in sys.modules, 'pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
