"""Whole batches: nothing is lost or doubled, whatever lands, and whenever a batch is killed."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.contracts.rules import EVENT_RULES, ITEM_RULES
from recsys_batch.errors import ContractError, LandingError, MappingError
from recsys_batch.features.entities import users
from recsys_batch.features.interactions import interactions
from recsys_batch.features.parts import Part
from recsys_batch.features.state import Clock, Decay, fold
from recsys_batch.features.versions import profile_versions
from recsys_batch.ingest.batch import landed_by_day
from recsys_batch.ingest.conservation import Conservation, Counts
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.store import Lake

from .shops import KEY, Shop, shop

pytestmark = pytest.mark.spark

COLUMNS = "id,ts,kind,u,i,value,quantity,price,position,propensity,consent"
GOOD = dict.fromkeys(COLUMNS.split(","), "") | {
    "ts": "2026-01-02T03:04:05Z",
    "kind": "buy",
    "u": "user-4711",
    "i": "item",
}
LINE = 30_000  # bytes of the longest line
BROKEN: list[tuple[str, dict[str, str]]] = [
    ("missing_item", {"i": "  "}),
    ("missing_time", {"ts": ""}),
    ("bad_time", {"ts": "yesterday"}),
    ("bad_time", {"ts": "now"}),
    ("bad_time", {"ts": "12:30"}),
    ("bad_time", {"ts": "2026-02-30"}),
    ("bad_time", {"ts": "2026-01-01T25:00:00"}),
    ("bad_time", {"ts": "1" * 40}),
    ("time_out_of_range", {"ts": "1989-12-31T23:59:59Z"}),
    ("future_time", {"ts": "2026-01-11T00:00:01Z"}),
    ("unknown_type", {"kind": "sneeze"}),
    ("bad_value", {"value": "five"}),
    ("bad_value", {"value": "NaN"}),
    ("bad_quantity", {"quantity": "Infinity"}),
    ("bad_quantity", {"quantity": "0x10"}),
    ("bad_price", {"price": "1e999"}),
    ("bad_price", {"price": "3d"}),
    ("bad_position", {"position": "1.5"}),
    ("bad_position", {"position": "99999999999"}),
    ("bad_propensity", {"propensity": "-"}),
    ("negative_quantity", {"quantity": "0"}),
    ("negative_quantity", {"quantity": "-1"}),
    ("negative_price", {"price": "-0.01"}),
    ("position_out_of_range", {"position": "0"}),
    ("propensity_out_of_range", {"propensity": "0"}),
    ("propensity_out_of_range", {"propensity": "1.0001"}),
    ("quantity_over_limit", {"quantity": "1e300"}),
    ("price_over_limit", {"price": "10000000.01"}),
    ("value_over_limit", {"value": "-1000000001"}),
    ("bad_consent", {"consent": "perhaps"}),
]
RAW_BROKEN: list[tuple[str, bytes]] = [
    ("malformed", b"too,few"),
    ("malformed", b"," * 11),
    ("malformed", b"," * 25_000),
    ("malformed", b',2026-01-02,buy,user-4711,item,,,,,,"consent goes on'),
    ("malformed", b'in the next line"'),
    ("not_utf8", b",2026-01-02,buy,user-4711,caf\xe9,,,,,,"),
    ("not_utf8", b"\xff\xfe\x00\x01"),
    ("oversized", b",2026-01-02,buy,user-4711," + b"i" * LINE),
]
ITEM_BROKEN: list[tuple[str, bytes]] = [
    ("malformed", b"{broken"),
    ("malformed", b'["an", "array"]'),
    ("malformed", b'{"sku": "a"} {"sku": "b"}'),
    ("malformed", b"null"),
    ("not_utf8", b'{"sku": "\xff"}'),
    ("oversized", b'{"sku": "' + "ä".encode() * (LINE // 2) + b'"}'),
    ("missing_item", b'{"name": "nameless"}'),
    ("bad_price", b'{"sku": "a", "cost": "cheap"}'),
    ("negative_price", b'{"sku": "a", "cost": -1}'),
    ("price_over_limit", b'{"sku": "a", "cost": 1e8}'),
    ("bad_time", b'{"sku": "a", "since": "soon"}'),
    ("bad_tags", b'{"sku": "a", "tags": " ; ,"}'),
    ("bad_available_from", b'{"sku": "a", "from": "soon"}'),
    ("bad_available_until", b'{"sku": "a", "until": "later"}'),
    ("bad_deleted", b'{"sku": "a", "gone": "perhaps"}'),
    ("never_available", b'{"sku": "a", "from": "2026-01-02", "until": "2026-01-02"}'),
]
DIRTY = shop(
    pattern="events/*",
    time="ts",
    types=[{"type": "purchase", "when": "kind = 'buy'"}, {"type": "view", "when": "kind = 'see'"}],
    fields={
        "event_id": "id",
        "user_id": "u",
        "item_id": "i",
        **{name: name for name in COLUMNS.split(",")[5:]},
    },
    items={
        "pattern": "items/*",
        "format": "jsonl",
        "fields": {
            "item_id": "sku",
            "title": "name",
            "price": "cost",
            "valid_from": "since",
            "tags": "tags",
            "available_from": "from",
            "available_until": "until",
            "deleted": "gone",
        },
    },
    limits={"max_line_bytes": LINE},
)


def line(names: str = COLUMNS, **changed: str) -> bytes:
    values = {**GOOD, **changed}
    return ",".join(values[name] for name in names.split(",")).encode()


def numbered(file: str, lines: list[bytes]) -> dict[tuple[str, int], bytes]:
    return {(file, number): each for number, each in enumerate(lines, start=1)}


@pytest.fixture(scope="module")
def dirty(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop of all kinds of bad lines among good ones, in odd files, read in many splits."""
    made = Shop(spark, tmp_path_factory.mktemp("dirty"), DIRTY)
    odd = [COLUMNS.encode(), b"", *(line(**each) for _, each in BROKEN), line(i="a"), b"   "]
    plain = [COLUMNS.encode()]
    for place, (_, raw) in enumerate(RAW_BROKEN):
        plain += [line(i=f"b{place}"), raw]
    turned = ",".join(reversed(COLUMNS.split(",")))
    quoted = [
        turned.encode(),
        line(turned, i='"q, ""1"""', u='"user,4712"'),
        line(turned, i='5" nail', kind="see"),
        line(turned, consent="f"),
    ]
    items = [b'{"sku": "a", "name": "A", "cost": 1.5, "SINCE": "2026-01-01"}', b""]
    items += [raw for _, raw in ITEM_BROKEN] + [b'{"sku": "b", "extra": {"deep": [1]}}']
    made.lines = {  # type: ignore[attr-defined]
        **numbered("events/ä %20[1],{x}.csv", odd),
        **numbered("events/plain.csv", plain),
        **numbered("events/turned.csv", quoted),
        **numbered("items/1.jsonl", items),
    }
    settings = {"maxPartitionBytes": "2000", "openCostInBytes": "500"}
    before = {name: spark.conf.get(f"spark.sql.files.{name}") for name in settings}
    for name, value in settings.items():
        spark.conf.set(f"spark.sql.files.{name}", value)
    try:
        made.counts = made.take(  # type: ignore[attr-defined]
            {
                "events/ä %20[1],{x}.csv": b"\xef\xbb\xbf" + b"\r\n".join(odd),
                "events/plain.csv": b"\n".join(plain) + b"\n",
                "events/turned.csv": b"\n".join(quoted),
                "events/empty.csv": b"",
                "events/header only.csv": COLUMNS.encode() + b"\n",
                "events/.part.csv": b"being written",
                "items/1.jsonl": b"\n".join(items) + b"\n",
            }
        )
    finally:
        for name, old in before.items():
            spark.conf.set(f"spark.sql.files.{name}", str(old))
    return made


def test_each_rule_is_hit_by_a_line_that_lands() -> None:
    assert {reason for reason, _ in [*BROKEN, *RAW_BROKEN]} == {each.reason for each in EVENT_RULES}
    assert {reason for reason, _ in ITEM_BROKEN} == {each.reason for each in ITEM_RULES}


def test_every_bad_line_lies_in_quarantine_with_its_reason_and_place(dirty: Shop) -> None:
    wanted = {
        *(("events/ä %20[1],{x}.csv", 3 + place, why) for place, (why, _) in enumerate(BROKEN)),
        *(("events/plain.csv", 3 + 2 * place, why) for place, (why, _) in enumerate(RAW_BROKEN)),
        *(("items/1.jsonl", 3 + place, why) for place, (why, _) in enumerate(ITEM_BROKEN)),
    }
    assert set(dirty.rows("quarantine", "file", "line", "reason")) == wanted
    assert len(dirty.rows("quarantine", "file")) == len(wanted)


def test_quarantine_keeps_each_line_as_it_landed(dirty: Shop) -> None:
    lines = dirty.lines  # type: ignore[attr-defined]
    for file, number, record, detail in dirty.rows(
        "quarantine", "file", "line", "record", "detail"
    ):
        landed = lines[file, number]
        if len(landed) > LINE:
            landed = landed[:1000]
        assert record == landed.decode("utf-8", "replace")
        assert detail
        assert "user-4711" not in detail


def test_a_replay_passes_over_lines_of_which_there_is_the_beginning_only(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(limits={"max_line_bytes": 30}))
    lines = "2026-01-02,u,a,1\n" + "2026-01-02,u,a,1" + " " * 15 + "\n2026-01-02,u,,1\n"
    assert made.take({"1.csv": f"ts,u,i,q\n{lines}"})["events"] == Conservation(1, 3, 1, 2, 0)
    made.dataset = shop()
    assert made.replay()["events"] == Conservation(1, 1, 0, 1, 0)
    assert made.rows("quarantine", "line", "reason") == [(3, "oversized"), (4, "missing_item")]


def test_bronze_holds_each_line_that_is_no_header_and_not_blank(dirty: Shop) -> None:
    lines = dirty.lines  # type: ignore[attr-defined]
    for table, kind in (("raw_events", "events"), ("raw_items", "items")):
        rows = dirty.lake.read(table).select("file", "line", F.col("record").cast("binary"))
        found = {(row[0], row[1]): bytes(row[2]) for row in rows.collect()}
        assert found == {
            (file, number): text[: LINE + 1]
            for (file, number), text in lines.items()
            if file.startswith(kind) and text.strip() and (number > 1 or kind == "items")
        }


def test_rows_are_conserved_in_every_file(dirty: Shop) -> None:
    names = ("file", "landed", "accepted", "quarantined", "duplicate")
    found = {row["file"]: tuple(row[name] for name in names[1:]) for row in batches(dirty)}
    bad, raw, items = len(BROKEN), len(RAW_BROKEN), len(ITEM_BROKEN)
    assert found == {
        "events/ä %20[1],{x}.csv": (bad + 1, 1, bad, 0),
        "events/plain.csv": (2 * raw, raw, raw, 0),
        "events/turned.csv": (3, 3, 0, 0),
        "events/empty.csv": (0, 0, 0, 0),
        "events/header only.csv": (0, 0, 0, 0),
        "items/1.jsonl": (items + 2, 2, items, 0),
    }
    good, every = 1 + raw + 3, bad + 1 + 2 * raw + 3
    assert dirty.counts == {  # type: ignore[attr-defined]
        "items": Conservation(1, items + 2, 2, items, 0),
        "events": Conservation(5, every, good, bad + raw, 0),
    }
    assert len(dirty.rows("events", "event_id")) == good


def batches(made: Shop) -> list[dict[str, object]]:
    return read_rows(made.lake.home, "batches", status="complete")


def test_good_values_arrive_as_they_were_meant(dirty: Shop) -> None:
    rows = dirty.lake.read("events").where(F.col("item_id").isin('q, "1"', '5" nail')).collect()
    found = {row["item_id"]: row for row in rows}
    assert found['q, "1"']["user_key"] == KEY.user_key("user,4712")
    assert found['q, "1"']["key_id"] == KEY.key_id
    assert found['5" nail']["event_type"] == "view"
    assert found['5" nail']["event_time"] == dt.datetime(2026, 1, 2, 3, 4, 5)
    assert found['5" nail']["event_date"] == dt.date(2026, 1, 2)
    refused = dirty.lake.read("events").where(~F.col("consent")).collect()
    assert [row["item_id"] for row in refused] == ["item"]
    assert dirty.rows("catalogue", "item_id", "title", "price", "valid_from") == [
        ("a", "A", 1.5, dt.datetime(2026, 1, 1)),
        ("b", None, None, None),
    ]


def test_the_same_files_again_change_nothing(dirty: Shop) -> None:
    tables = ("raw_events", "raw_items", "events", "catalogue", "quarantine", "batches")
    before = [dirty.lake.version(table) for table in tables]
    assert dirty.take() == {"items": Conservation(), "events": Conservation()}
    shutil.copy(dirty.landing / "events/plain.csv", dirty.landing / "events/under another name")
    assert dirty.take() == {"items": Conservation(), "events": Conservation()}
    assert [dirty.lake.version(table) for table in tables] == before


def test_no_raw_user_id_lies_past_bronze(dirty: Shop) -> None:
    """In each value of each Parquet file of silver and gold, and in the bytes of all files."""
    lake = dirty.lake
    decay = Decay.before(dt.date(2026, 2, 1), 90.0)
    state = fold(lake.read("events"), Clock(decay, decay))
    parts = (Part("full", dt.datetime(2026, 2, 1, tzinfo=dt.UTC)),)
    pairs = interactions(
        state,
        parts,
        decay=decay,
        weights={"purchase": 1.0},
        seen_types=["purchase"],
    )
    known = users(
        state,
        profile_versions(lake.read("profiles")),
        parts,
        acts=["purchase"],
        sequence_length=5,
    )
    for table, frame in (("interactions", pairs), ("users", known)):
        lake.replace(table, frame.withColumn("run_id", F.lit("r")), run_id="r")
    values = re.compile(r"user.471[12]")
    files = [path for layer in ("silver", "gold") for path in (lake.home / layer).rglob("*.*")]
    assert {"events", "interactions", "users", "batches"} <= {path.parts[-2] for path in files} | {
        path.parts[-3] for path in files
    } | {path.parts[-4] for path in files}
    for path in files:
        assert not re.search(rb"user.471[12]", path.read_bytes()), path
        if path.suffix == ".parquet":
            assert not values.search(str(pq.ParquetFile(path).read().to_pylist())), path
    assert values.search(str(dirty.rows("raw_events", "record")))


H = "ts,u,i,q\n"


def purchases(*items: str, day: str = "2026-01-02") -> str:
    return "".join(f"{day},u,{item},1\n" for item in items)


def test_duplicates_are_found_in_a_file_across_files_and_across_batches(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Among times beyond all calendars: milliseconds read as seconds lie in the year 55840."""
    made = Shop(spark, tmp_path, shop(time_format="epoch_seconds"))
    time = "1767312000"
    one = purchases("a", "b", "a", day=time)
    first = made.take({"1.csv": H + one, "2.csv": H + purchases("b", "c", day=time)})
    assert first["events"] == Conservation(2, 5, 3, 0, 2)
    third = f"q,i,u,ts\n1,a,u,{time}\n1,d,u,{time}\n1,d,,nonsense\n1,d,u,{time}000\n"
    assert made.take({"3.csv": third})["events"] == Conservation(1, 4, 1, 2, 1)
    assert made.rows("events", "item_id") == [("a",), ("b",), ("c",), ("d",)]
    assert made.rows("quarantine", "line", "reason") == [(4, "bad_time"), (5, "future_time")]
    duplicates = {row["file"]: row["duplicate"] for row in batches(made)}
    assert duplicates == {"1.csv": 1, "2.csv": 1, "3.csv": 1}


def test_a_given_id_counts_once_over_all_days_and_a_bad_line_does_not_use_it_up(
    spark: SparkSession, tmp_path: Path
) -> None:
    given = shop(fields={"event_id": "id", "item_id": "i"})
    made = Shop(spark, tmp_path, given)
    head = "id,ts,i\n"
    made.take({"1.csv": head + "1,bad,x\n1,2026-01-01,a\n2,2026-01-01,b\n"})
    made.take({"2.csv": head + "1,2026-01-05,other\n3,2026-01-05,c\n 2 ,2026-01-09,b\n"})
    assert made.rows("events", "event_id", "item_id") == [("1", "a"), ("2", "b"), ("3", "c")]
    counts = {row["file"]: (row["quarantined"], row["duplicate"]) for row in batches(made)}
    assert counts == {"1.csv": (1, 0), "2.csv": (0, 2)}


def test_a_given_id_is_looked_for_on_the_days_that_may_hold_it_and_on_no_other(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Shop(spark, tmp_path, shop(fields={"event_id": "id", "item_id": "i"}))
    head = "id,ts,i\n"
    for day in range(1, 8):
        made.take({f"{day}.csv": head + f"{day},2026-01-0{day},a\n-{day},2026-01-0{day},a\n"})
    opened: list[object] = []
    read = Lake.read

    def noted(lake: Lake, name: str, **given: object) -> DataFrame:
        opened.extend(given.get("event_date", ()) if name == "events" else ())
        return read(lake, name, **given)

    monkeypatch.setattr(Lake, "read", noted)
    made.take({"8.csv": head + "8,2026-01-07,a\n3,2026-01-08,a\n-3,2026-01-08,a\n8,2026-01-08,a\n"})
    assert sorted(opened) == [dt.date(2026, 1, day) for day in (3, 7, 8)]
    assert {row["file"]: row["duplicate"] for row in batches(made)}["8.csv"] == 3
    assert len(made.rows("events", "event_id")) == 15


def test_the_index_of_ids_may_be_lost_and_is_made_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(fields={"event_id": "id", "item_id": "i"}))
    head = "id,ts,i\n"
    made.take({"1.csv": head + "1,2026-01-01,a\n", "2.csv": head + "2,2026-01-02,a\n"})
    made.take({"3.csv": head + "3,2026-01-03,a\n"})
    shutil.rmtree(made.lake.home / "index")
    made.take({"4.csv": head + "".join(f"{n},2026-01-09,b\n" for n in range(1, 5))})
    assert {row["file"]: row["duplicate"] for row in batches(made)}["4.csv"] == 3
    assert made.rows("events", "event_id") == [("1",), ("2",), ("3",), ("4",)]


def test_a_killed_batch_is_wiped_and_taken_again(spark: SparkSession, tmp_path: Path) -> None:
    """As if killed while quarantine was being made, with all before it written."""
    tables = ("raw_events", "events", "quarantine", "batches")
    whole, killed = Shop(spark, tmp_path / "whole"), Shop(spark, tmp_path / "killed")
    files: dict[str, str | bytes] = {
        "1.csv": H + purchases("a", "b"),
        "2.csv": H + "2026-01-02,u,,1\n",
    }
    whole.take({"1.csv": files["1.csv"]})
    shutil.copytree(whole.folder, killed.folder)
    whole.take(files)
    started = [
        {**row, "status": "started", "landed": 0, "accepted": 0, "quarantined": 0}
        for row in batches(whole)
        if row["batch_seq"] == 2
    ]
    replace_rows(killed.lake.home, "batches", started, batch_seq=2)
    for table in ("raw_events", "events"):
        partial = killed.lake.read(table).limit(1).withColumn("batch_seq", F.lit(2))
        killed.lake.append(table, partial)
    log = killed.lake.home / "bronze" / "quarantine" / "_delta_log"
    log.mkdir(parents=True)
    (log / "_commit_1.json.tmp").write_text("{")
    killed.take(files)
    assert killed.digests(*tables) == whole.digests(*tables)


def test_a_mapping_to_a_missing_column_names_field_column_near_miss_and_file(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(fields={"item_id": "StokCode"}))
    with pytest.raises(MappingError) as caught:
        made.take({"1.csv": "ts,StockCode,Price\n2026-01-01,a,1\n"})
    said = str(caught.value)
    for part in (
        "'item_id'",
        "'StokCode'",
        "did you mean 'StockCode'",
        str(made.landing / "1.csv"),
    ):
        assert part in said
    assert not made.lake.exists("batches")
    assert not made.lake.exists("raw_events")


def test_a_file_among_good_ones_that_lacks_a_column_stops_all_of_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    with pytest.raises(MappingError, match=r"2.csv: field 'quantity' maps to 'q'"):
        made.take({"1.csv": H + purchases("a"), "2.csv": "ts,u,i\n2026-01-01,u,a\n"})
    assert not made.lake.exists("events")


def test_wrong_time_patterns_and_sql_are_mapping_errors(
    spark: SparkSession, tmp_path: Path
) -> None:
    files: dict[str, str | bytes] = {"1.csv": H + purchases("a")}
    for dataset, found in (
        (shop(time_format="YYYY-ww"), "'YYYY-ww' is no datetime pattern"),
        (shop(time="ts ||"), "neither a column nor SQL"),
        (shop(types=[{"type": "view", "when": "kind = 1"}]), "there is no column 'kind'"),
    ):
        with pytest.raises(MappingError, match=re.escape(found)):
            Shop(spark, tmp_path, dataset).take(files)


def test_columns_may_have_the_names_that_ingest_uses(spark: SparkSession, tmp_path: Path) -> None:
    names = {"item_id": "File", "user_id": "record", "request_id": "malformed", "quantity": "line"}
    made = Shop(spark, tmp_path, shop(fields=names))
    made.take({"1.csv": "File,ts,line,record,malformed,\nf,2026-01-01,3,r,m,\n"})
    assert made.rows("events", "item_id", "quantity", "request_id", "user_key") == [
        ("f", 3.0, "m", KEY.user_key("r"))
    ]


def test_a_dirty_value_in_a_condition_does_not_stop_the_batch(
    spark: SparkSession, tmp_path: Path
) -> None:
    types = [{"type": "cancel", "when": "q < 0"}, {"type": "purchase"}]
    made = Shop(spark, tmp_path, shop(types=types))
    made.take({"1.csv": H + "2026-01-01,u,a,many\n2026-01-01,u,b,-1\n2026-01-01,u,c,1\n"})
    assert made.rows("events", "item_id", "event_type") == [("b", "cancel"), ("c", "purchase")]
    assert made.rows("quarantine", "line", "reason") == [(2, "bad_quantity")]
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"


def test_json_lines_need_not_have_the_same_keys(spark: SparkSession, tmp_path: Path) -> None:
    """Keys of any file count, in any spelling of capitals; `columns` names what a day may lack."""
    mapping = shop(
        format="jsonl",
        columns=["d"],
        fields={"user_id": "u", "item_id": "i", "quantity": "q", "device": "d", "region": "r"},
    )
    made = Shop(spark, tmp_path, mapping)
    records = [
        {"ts": "2026-01-01", "i": 7, "q": 2},
        {"TS": "2026-01-02", "i": "8", "r": None, "file": 1, "": 0},
        {"ts": "2026-01-03T00:00:00+01:00", "i": "9", "u": 1234567890123456789, "q": "3.0"},
    ]
    made.take(
        {
            "1.jsonl": json.dumps(records[0]) + "\n",
            "2.jsonl": json.dumps(records[1]) + "\n" + json.dumps(records[2]) + "\n",
        }
    )
    assert made.rows("events", "item_id", "event_date", "quantity", "user_key") == [
        ("7", dt.date(2026, 1, 1), 2.0, None),
        ("8", dt.date(2026, 1, 2), None, None),
        ("9", dt.date(2026, 1, 2), 3.0, KEY.user_key("1234567890123456789")),
    ]


def test_files_without_a_json_object_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    made = Shop(spark, tmp_path, shop(format="jsonl"))
    with pytest.raises(LandingError, match=r"1.csv: no line is a JSON object"):
        made.take({"1.csv": H + purchases("a")})


def test_a_taken_file_that_changes_is_refused_and_nothing_is_taken(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path)
    made.take({"1.csv": H + purchases("a")})
    before = made.digests("events", "batches")
    with pytest.raises(LandingError, match="was taken with digest"):
        made.take({"1.csv": H + purchases("b"), "0.csv": H + purchases("c")})
    assert made.digests("events", "batches") == before


def test_empty_files_are_taken_without_a_row(spark: SparkSession, tmp_path: Path) -> None:
    made = Shop(spark, tmp_path)
    assert made.take({"1.csv": b""})["events"] == Conservation(1, 0, 0, 0, 0)
    assert made.take()["events"] == Conservation()


def test_too_many_bad_lines_stop_the_run_and_nothing_is_lost(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(limits={"max_quarantined_share": 0.25}))
    good = [f"2026-01-02,u,i{n},1\n" for n in range(15)]
    bad = ["2026-01-02,u,,1\n", "2026-01-02,u,a,many\n", "never,u,a,1\n", "never,u,a,1\n"]
    head = "ts,u,i,q\n"
    few = made.take({"1.csv": "".join([head, *bad])})["events"]  # too few to tell
    assert few.quarantined == 4
    edge = made.take({"2.csv": "".join([head, *good, *bad, bad[0]])})["events"]
    assert (edge.landed, edge.quarantined) == (20, 5)
    tables = ("events", "quarantine", "raw_events", "batches", "schemas")
    before = made.digests(*tables)
    made.land({"3.csv": "".join([head, *(line.replace("u", "v") for line in good), *bad, *bad])})
    with pytest.raises(ContractError) as caught:
        made.take()
    told = [line.strip() for line in str(caught.value).splitlines()]
    assert (
        "8 of 23 lines would be quarantined, more than limits.max_quarantined_share of" in told[0]
    )
    assert told[1:4] == [
        "4 bad_time, first 3.csv, line 19",
        "2 bad_quantity, first 3.csv, line 18",
        "2 missing_item, first 3.csv, line 17",
    ]
    assert made.digests(*tables) == before
    made.dataset = shop()
    assert made.take()["events"] == Conservation(1, 23, 15, 8, 0)


@pytest.mark.parametrize(
    ("places", "by_day"),
    [
        ([], True),
        ([(0, 1), (0, 2), (1, 3), (1, 4)], True),  # a day in one partition each
        ([(0, 1), (1, 1), (0, 2), (1, 2)], True),  # two files a day
        ([(n, day) for n in range(3) for day in (1, 2)], False),  # every day everywhere
    ],
)
def test_events_are_gathered_where_partitions_hold_many_days(
    places: list[tuple[int, int]], by_day: bool
) -> None:
    days = {(partition, dt.date(2026, 1, day)) for partition, day in places}
    halves = {"1.csv": Counts(places=set(list(days)[::2])), "2.csv": Counts(places=days)}
    assert landed_by_day(halves) is by_day
