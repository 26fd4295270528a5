"""Verdicts on what batches brought: of sound batches, of broken rows, and of a ledger that lies."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_batch.config import Limits
from recsys_batch.contracts.facts import IN_BRONZE, IN_QUARANTINE, IN_SILVER, SHARE_QUARANTINED
from recsys_batch.errors import ValidationFailedError
from recsys_batch.ingest.days import count_batches
from recsys_batch.ingest.verdicts import landing_facts, require_batches
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.places import table_path
from recsys_batch.lake.runs import Run, store_run

from .shops import Shop, shop

pytestmark = pytest.mark.spark

NULL = "expect_column_values_to_not_be_null"
RULE = "expect_column_values_to_be_null"
BETWEEN = "expect_column_values_to_be_between"
UNIQUE = "expect_column_values_to_be_unique"
REGEX = "expect_column_values_to_match_regex"
TOGETHER = "expect_compound_columns_to_be_unique"
PAIR = "expect_column_pair_values_to_be_equal"
DATASET = shop(
    pattern="events/*",
    items={
        "pattern": "items/*",
        "fields": {
            "item_id": "id",
            "price": "price",
            "available_from": "first",
            "available_until": "last",
        },
    },
    profiles={"pattern": "profiles/*", "fields": {"user_id": "user", "birth_year": "born"}},
    consents={
        "pattern": "consents/*",
        "fields": {"user_id": "user", "granted": "ok", "stated_at": "at"},
    },
)
HEAD = "ts,u,i,q\n"
FILES = {
    "events/1.csv": HEAD + "2026-01-01,anna,a,1\n2026-01-01,ben,a,none\n2026-01-01,anna,a,1\n",
    "events/2.csv": HEAD,
    "items/1.csv": "id,price,first,last\na,1,2026-01-01,2026-02-01\nb,2,,\nc,-1,,\n",
    "profiles/1.csv": "user,born\nanna,1980\nben,1990\n",
    "consents/1.csv": "user,ok,at\nanna,true,2026-01-02\nben,false,2026-01-03\n",
}


def run(number: int, horizon: int, *, config: str = "one") -> Run:
    return Run(f"r{number}", dt.date(2026, 1, number), horizon, "events", 1, config, "code")


@pytest.fixture(scope="module")
def taken(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(spark, tmp_path_factory.mktemp("verdicts"), DATASET)
    made.take(FILES)
    count_batches(made.lake, horizon=4)
    return made


@pytest.fixture
def copied(taken: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(taken.folder, tmp_path / "copy")
    return Shop(taken.spark, tmp_path / "copy", DATASET)


def verdicts(made: Shop, run_id: str) -> dict[str, set[tuple[str, str | None, int | None]]]:
    """Table to what failed of it in a run."""
    found: dict[str, set[tuple[str, str | None, int | None]]] = {}
    for row in read_rows(made.lake.home, "validations", run_id=run_id):
        failed = found.setdefault(row["table"], set())
        if not row["success"]:
            failed.add((row["expectation"], row["column"], row["unexpected_count"]))
    return found


def test_each_boundary_has_its_verdict_and_its_page(copied: Shop) -> None:
    require_batches(copied.lake, run(1, 4), limits=Limits())
    found = verdicts(copied, "r1")
    warned = {(BETWEEN, "empty_files", 1)}  # events/2.csv
    assert found == {"landing": warned, "catalogue": set(), "profiles": set(), "consents": set()}
    pages = copied.lake.home / "data_docs" / "r1"
    assert {path.stem for path in pages.glob("*.html")} == set(found)
    text = (pages / "landing.html").read_text()
    assert "bronze holds each record that landed" in text


def test_facts_by_hand(taken: Shop) -> None:
    facts = landing_facts(taken.lake.home, after=0, horizon=4).set_index("batch_seq")
    names = ["landed", "accepted", "quarantined", "accounted", IN_BRONZE, IN_QUARANTINE]
    assert facts[names].to_numpy().tolist() == [
        [3, 2, 1, 3, 3, 1],
        [2, 2, 0, 2, 2, 0],
        [2, 2, 0, 2, 2, 0],
        [3, 1, 1, 3, 3, 1],
    ]
    assert facts[IN_SILVER].tolist()[:2] == [2, 2]
    assert facts[IN_SILVER].isna().tolist() == [False, False, True, False]
    assert facts[SHARE_QUARANTINED].isna().all()  # too few lines to tell
    assert facts["empty_files"].tolist() == [0, 0, 0, 1]
    assert landing_facts(taken.lake.home, after=4, horizon=9).empty


def test_only_what_no_run_has_checked_is_checked(copied: Shop) -> None:
    first = run(1, 4)
    require_batches(copied.lake, first, limits=Limits())
    store_run(copied.lake.home, first)
    require_batches(copied.lake, run(2, 4), limits=Limits())
    assert verdicts(copied, "r2") == {}
    copied.take({"items/2.csv": "id,price,first,last\nd,4,,\n"})
    count_batches(copied.lake, horizon=5)
    require_batches(copied.lake, run(3, 5), limits=Limits())
    assert set(verdicts(copied, "r3")) == {"landing", "catalogue"}
    require_batches(copied.lake, run(4, 4, config="other"), limits=Limits())
    assert set(verdicts(copied, "r4")) == {"catalogue", "profiles", "consents"}


def test_a_replay_is_a_batch_like_any_other(copied: Shop) -> None:
    fields = {**DATASET.events.fields, "quantity": "coalesce(try_cast(q AS INT), 1)"}
    events = DATASET.events.model_copy(update={"fields": fields})
    copied.dataset = DATASET.model_copy(update={"events": events})
    copied.replay()
    count_batches(copied.lake, horizon=5)
    facts = landing_facts(copied.lake.home, after=4, horizon=5)
    assert facts[["landed", "accepted", "accounted", IN_SILVER]].to_numpy().tolist() == [[1] * 4]
    assert facts[[IN_BRONZE, IN_QUARANTINE]].isna().to_numpy().all()
    require_batches(copied.lake, run(1, 5), limits=Limits())
    assert set(verdicts(copied, "r1")) == {"landing", "catalogue", "profiles", "consents"}


ROWS = {
    "a price below nothing": (
        *("catalogue", "item_id = 'a'", {"price": "-1.0"}),
        {(BETWEEN, "price", 1)},
    ),
    "a price that is no number": (
        *("catalogue", "item_id = 'a'", {"price": "CAST('NaN' AS DOUBLE)"}),
        {(BETWEEN, "price", 1)},
    ),
    "an item without a name": (
        *("catalogue", "item_id = 'b'", {"item_id": "NULL"}),
        {(NULL, "item_id", 1)},
    ),
    "one id for two versions": ("catalogue", None, {"event_id": "'e'"}, {(UNIQUE, "event_id", 2)}),
    "never on offer": (
        *("catalogue", "item_id = 'a'", {"available_until": "available_from"}),
        {(RULE, "never_available", 1)},
    ),
    "a raw user id": (
        *("profiles", "birth_year = 1980", {"user_key": "'anna'"}),
        {(REGEX, "user_key", 1)},
    ),
    "born too early": (
        *("profiles", "birth_year = 1980", {"birth_year": "CAST(1800 AS INT)"}),
        {(BETWEEN, "birth_year", 1)},
    ),
    "a profile of no key": ("profiles", None, {"key_id": "NULL"}, {(NULL, "key_id", 2)}),
    "an answer of nobody": (
        *("consents", "granted", {"user_key": "NULL"}),
        {(NULL, "user_key", 2)},  # to both purposes
    ),
    "no answer": ("consents", "granted", {"granted": "NULL"}, {(NULL, "granted", 2)}),
    "no purpose": (
        *("consents", "granted AND purpose = 'training'", {"purpose": "NULL"}),
        {(NULL, "purpose", 1)},
    ),
    "a purpose of nobody's": (
        *("consents", "granted AND purpose = 'training'", {"purpose": "'fun'"}),
        {(RULE, "unknown_purpose", 1)},
    ),
    "said twice in one line": (
        *("consents", "granted", {"purpose": "'training'"}),
        {(TOGETHER, "event_id,source,purpose", 2)},
    ),
}


@pytest.mark.parametrize(("table", "where", "updates", "failed"), ROWS.values(), ids=ROWS)
def test_a_broken_row_stops_the_run_and_its_verdict_is_stored(
    copied: Shop,
    table: str,
    where: str | None,
    updates: dict[str, str],
    failed: set[tuple[str, str | None, int | None]],
) -> None:
    broken = DeltaTable(table_path(copied.lake.home, table)).update(updates, predicate=where)
    assert broken["num_updated_rows"]
    ((_, column, _),) = failed
    place = rf"^{table}\.{column}: expectation"
    with pytest.raises(ValidationFailedError, match=place):
        require_batches(copied.lake, run(1, 4), limits=Limits())
    assert verdicts(copied, "r1")[table] == failed
    assert (copied.lake.home / "data_docs" / "r1" / f"{table}.html").is_file()
    told = json.dumps(read_rows(copied.lake.home, "validations"), default=str)
    assert "anna" not in told


BATCHES = {
    "a file's lines are not accounted for": (
        {"accepted": 0},
        {(PAIR, "landed,accounted", 1), (PAIR, "accepted,in_silver", 1)},
    ),
    "bronze lost them": ("raw_items", {(PAIR, "landed,in_bronze", 1)}),
    "quarantine lost one": ("quarantine", {(PAIR, "quarantined,in_quarantine", 1)}),
    "silver lost them": ("catalogue", {(PAIR, "accepted,in_silver", 1)}),
}


@pytest.mark.parametrize(("damage", "failed"), BATCHES.values(), ids=BATCHES)
def test_a_batch_that_lost_rows_is_named(
    copied: Shop, damage: str | dict[str, int], failed: set[tuple[str, str | None, int | None]]
) -> None:
    home = copied.lake.home
    if isinstance(damage, str):
        copied.lake.delete(damage, batch_seq=1)
        replace_rows(home, "batch_days", [])
        count_batches(copied.lake, horizon=4)
    else:
        rows = read_rows(home, "batches", batch_seq=1)
        replace_rows(home, "batches", [row | damage for row in rows], batch_seq=1)
    with pytest.raises(ValidationFailedError, match=r"1 of 4 rows break it \(1\)"):
        require_batches(copied.lake, run(1, 4), limits=Limits())
    found = verdicts(copied, "r1")
    assert {each for each in found["landing"] if each[0] == PAIR} == failed
    assert set(found) == {"landing"}  # nothing more is looked at


def test_a_landing_of_which_too_much_was_refused_stops_its_first_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    lines = "".join(f"2026-01-01,u{n},a,{1 if n < 15 else 'x'}\n" for n in range(20))
    made.take({"1.csv": HEAD + lines})
    count_batches(made.lake, horizon=1)
    strict, loose = Limits(max_quarantined_share=0.2), Limits(max_quarantined_share=0.25)
    with pytest.raises(ValidationFailedError, match=r"landing.share_quarantined: .*20\.00%.*\(1\)"):
        require_batches(made.lake, run(1, 1), limits=strict)
    require_batches(made.lake, run(1, 1), limits=loose)
    store_run(made.lake.home, run(1, 1))
    require_batches(made.lake, run(2, 1), limits=strict)  # was judged, and is not again
