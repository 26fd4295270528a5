"""Replay after a fix: good lines come in, bad ones stay, and no line is lost or doubled."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from pathlib import Path

import pytest
from faults.soak import TIMES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys_batch.errors import MappingError
from recsys_batch.features.history import visible_events
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.quarantine import quarantine_counts, quarantined_lines
from recsys_batch.lake.ledger import read_rows, replace_rows

from .shops import NOW, Shop, shop

pytestmark = pytest.mark.spark

FIELDS = {"user_id": "u", "item_id": "i", "quantity": "q"}
FIXED = shop(fields={**FIELDS, "quantity": "replace(q, ' pcs', '')"})
TABLES = ("raw_events", "events", "quarantine", "batches", "lateness")
FIRST = "ts,u,i,q\n2026-01-02,u,a,1\n2026-01-02,u,b,2 pcs\n2026-01-02,u,,1\n"
# `b` again, `c`, and `a` again, once its quantity can be read
SECOND = "q,i,u,ts\n2 pcs,b,u,2026-01-02\n3 pcs,c,u,2026-01-01\n1 pcs,a,u,2026-01-02\n"


@pytest.fixture(scope="module")
def landed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two batches of lines most of which the mapping cannot read; the files are gone since."""
    made = Shop(spark, tmp_path_factory.mktemp("landed"))
    made.take({"1.csv": FIRST})
    made.take({"2.csv": SECOND})
    return made


def copy(landed: Shop, folder: Path) -> Shop:
    """Its lake alone."""
    shutil.copytree(landed.lake.home, folder / "lake" / "shop")
    return Shop(landed.spark, folder)


def contents(made: Shop) -> list[tuple[object, ...]]:
    return made.rows("events", "event_id", "item_id", "quantity", "event_date")


def test_a_fixed_mapping_lets_good_lines_in_and_a_second_replay_changes_nothing(
    landed: Shop, tmp_path: Path
) -> None:
    made = copy(landed, tmp_path)
    assert made.standing() == {"1.csv": (3, 1, 2, 0), "2.csv": (3, 0, 3, 0)}
    unfixed = [made.lake.version(table) for table in TABLES]
    assert made.replay()["events"] == Conservation(2, 5, 0, 5, 0)
    assert [made.lake.version(table) for table in TABLES] == unfixed

    made.dataset = FIXED
    assert made.replay(now=NOW + dt.timedelta(days=9))["events"] == Conservation(2, 5, 2, 1, 2)
    assert made.standing() == {"1.csv": (3, 2, 1, 0), "2.csv": (3, 1, 0, 2)}
    assert made.rows("events", "item_id", "quantity") == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    home = made.lake.home
    assert [
        (row["file"], row["line"], row["reason"], row["batch_seq"])
        for row in quarantined_lines(home, limit=9, records=False)
    ] == [("1.csv", 4, "missing_item", 1)]
    verdicts = made.rows("quarantine", "file", "line", "fate")
    assert [row for row in verdicts if row[2] != "quarantined"] == [
        ("1.csv", 3, "accepted"),
        ("2.csv", 2, "duplicate"),
        ("2.csv", 3, "accepted"),
        ("2.csv", 4, "duplicate"),
    ]
    assert len(verdicts) == 5 + 4
    bronze = made.lake.read("raw_events")
    assert bronze.count() == 6

    until = dt.datetime(2026, 1, 9, tzinfo=dt.UTC)
    seen = [
        visible_events(made.lake.read("events"), until=until, horizon=horizon).count()
        for horizon in (1, 2, 3)
    ]
    assert seen == [1, 1, 3]
    late = [row for row in read_rows(home, "lateness") if row["batch_seq"] == 3]
    assert {row["days_late"]: row["events"] for row in late} == {0: 1, 1: 1}

    before = [made.lake.version(table) for table in TABLES]
    assert made.replay(now=NOW + dt.timedelta(days=99))["events"] == Conservation(1, 1, 0, 1, 0)
    assert [made.lake.version(table) for table in TABLES] == before
    assert made.take({"3.csv": "ts,u,i,q\n2026-01-03,u,d,1\n"})["events"].accepted == 1


def test_a_killed_replay_is_wiped_and_taken_again(landed: Shop, tmp_path: Path) -> None:
    """As if killed while quarantine was being written, with the rows before it there."""
    whole, killed = copy(landed, tmp_path / "whole"), copy(landed, tmp_path / "killed")
    whole.dataset = killed.dataset = FIXED
    whole.replay("bad_quantity")
    assert whole.standing() == {"1.csv": (3, 2, 1, 0), "2.csv": (3, 1, 0, 2)}
    home = killed.lake.home
    plan = [
        {**row, "status": "started", "landed": 0, "accepted": 0, "quarantined": 0, "duplicate": 0}
        for row in read_rows(whole.lake.home, "batches", batch_seq=3)
    ]
    replace_rows(home, "batches", plan, batch_seq=3)
    for table in ("events", "quarantine"):
        half = whole.lake.read(table, batch_seq=3).orderBy(*whole.lake.read(table).columns).limit(1)
        killed.lake.append(table, half)
    assert sum(row["lines"] for row in quarantine_counts(home)) == 5
    killed.replay("bad_quantity")
    assert killed.digests(*TABLES) == whole.digests(*TABLES)


def test_only_lines_with_the_reasons_asked_for_are_taken(landed: Shop, tmp_path: Path) -> None:
    made = copy(landed, tmp_path)
    made.dataset = FIXED
    assert made.replay("missing_item", "bad_time")["events"] == Conservation(1, 1, 0, 1, 0)
    assert made.standing() == landed.standing()
    made.dataset = shop(fields={**FIELDS, "quantity": "nothing"})
    with pytest.raises(MappingError, match=r"1.csv: field 'quantity' maps to 'nothing'"):
        made.replay()
    assert made.standing() == landed.standing()
    assert not read_rows(made.lake.home, "batches", status="started")


def test_a_corrected_character_set_reads_the_bytes_that_landed(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    text = "ts,u,i,q\n2026-01-02,u,café,1\n2026-01-12T00:00:01Z,u,b,1\n"
    made.take({"1.csv": text.encode("latin-1")})
    made.dataset = shop(encoding="ISO-8859-1")
    later = NOW + dt.timedelta(days=30)
    assert made.replay(now=later)["events"] == Conservation(1, 2, 1, 1, 0)
    assert made.rows("events", "item_id") == [("café",)]
    assert [row["reason"] for row in quarantine_counts(made.lake.home)] == ["future_time"]
    made.dataset = shop(encoding="ISO-8859-1", max_future_hours=48.1)
    assert made.replay(now=later)["events"] == Conservation(1, 1, 1, 0, 0)
    assert made.standing() == {"1.csv": (2, 2, 0, 0)}


def test_json_lines_are_replayed_with_the_keys_of_their_batch(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(format="jsonl"))
    good = '{"ts": "2026-01-01", "i": "a", "u": "u", "q": 1}'
    made.take({"1.jsonl": f'{good}\n{{"time": "2026-01-01", "i": "b"}}\n'})
    made.dataset = shop(format="jsonl", time="coalesce(ts, time)")
    assert made.replay()["events"] == Conservation(1, 1, 1, 0, 0)
    assert made.rows("events", "item_id", "quantity") == [("a", 1.0), ("b", None)]


def test_a_line_of_a_file_that_grew_is_judged_by_when_it_landed_itself(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(growing="append"))
    first = "ts,u,i,q\n2026-01-02,u,a,1\n2026-01-14,u,b,1 pcs\n"
    assert made.take({"1.csv": first})["events"].quarantined == 1
    late = NOW + dt.timedelta(days=9)
    more = f"{first}2026-01-14,u,c,1 pcs\n2026-01-28,u,d,1 pcs\n"
    assert made.take({"1.csv": more}, now=late)["events"].quarantined == 2
    made.dataset = shop(growing="append", fields=FIXED.events.fields)
    done = made.replay(now=late + dt.timedelta(days=99))["events"]
    assert (done.landed, done.accepted, done.quarantined) == (3, 1, 2)
    assert made.rows("events", "item_id") == [("a",), ("c",)]
    left = quarantined_lines(made.lake.home, limit=9, records=False)
    assert {row["line"]: row["reason"] for row in left} == dict.fromkeys((3, 5), "future_time")


def test_the_catalogue_is_replayed_too_and_another_reason_is_recorded(
    spark: SparkSession, tmp_path: Path
) -> None:
    fields = {"item_id": "sku", "price": "cost"}
    items = {"pattern": "items.csv", "fields": fields}
    made = Shop(spark, tmp_path, shop(pattern="events.csv", items=items))
    events = "ts,u,i,q\n2026-01-02,u,a,1\n"
    made.take({"items.csv": "sku,cost\na,$1\nb,$-2\n", "events.csv": events})
    items["fields"] = {**fields, "price": "replace(cost, '$', '')"}
    made.dataset = shop(pattern="events.csv", items=items)
    done = made.replay()
    assert done == {"items": Conservation(1, 2, 1, 1, 0), "events": Conservation()}
    assert made.rows("catalogue", "item_id", "price") == [("a", 1.0)]
    (left,) = quarantined_lines(made.lake.home, limit=9, records=True)
    assert (left["line"], left["reason"], left["record"]) == (3, "negative_price", "b,$-2")
    assert made.standing()["items.csv"] == (2, 1, 1, 0)


Line = tuple[int, str, str]
lines: st.SearchStrategy[Line] = st.tuples(
    st.integers(1, 3),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from(["1", "1 pcs", "2 pcs", "many"]),
)
TORN = [[[(1, "a", "1 pcs"), (1, "a", "1"), (2, "b", "many")]], [[(1, "a", "1 pcs"), (3, "", "1")]]]


@pytest.mark.soak
@settings(
    max_examples=TIMES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    stream=st.lists(
        st.lists(st.lists(lines, max_size=8), min_size=1, max_size=2), min_size=1, max_size=2
    )
)
@example(stream=TORN)
def test_fixed_late_holds_what_fixed_at_once_does_and_conserves_every_file(
    spark: SparkSession, tmp_path: Path, stream: list[list[list[Line]]]
) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    late, at_once = Shop(spark, tmp_path / "late"), Shop(spark, tmp_path / "once", FIXED)
    files: dict[str, str | bytes] = {}
    for batch, several in enumerate(stream):
        for place, each in enumerate(several):
            text = "".join(f"2026-01-0{day},u,{item},{q}\n" for day, item, q in each)
            files[f"{batch}-{place}.csv"] = "ts,u,i,q\n" + text
        late.take(files)
    at_once.take(files)
    late.dataset = FIXED
    late.replay()
    assert contents(late) == contents(at_once)
    for made in (late, at_once):
        standing = made.standing()
        assert all(landed == sum(fates) for landed, *fates in standing.values())
        bad = quarantined_lines(made.lake.home, limit=999, records=False)
        assert Counter(row["file"] for row in bad) == Counter(
            {file: each[2] for file, each in standing.items() if each[2]}
        )
        accepted = made.lake.read("events").agg(F.count("event_id")).collect()[0][0]
        assert sum(each[1] for each in standing.values()) == accepted
        raw = made.lake.read("raw_events").groupBy("file").count().collect()
        assert {row[0]: row[1] for row in raw} == {
            file: each[0] for file, each in standing.items() if each[0]
        }
