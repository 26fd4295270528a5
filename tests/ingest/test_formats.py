"""The same events in every format give the same rows and counts, and damaged files give none."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recsys_batch.errors import LandingError
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.landing import new_files
from recsys_batch.lake.ledger import read_rows

from .shops import KEY, Shop, shop
from .texts import PACKERS

NAMES = ("id", "ts", "u", "i", "q")
# Accepted, repeated and quarantined rows in two files; user and item need quotes in CSV.
RECORDS = [
    [
        ("e1", dt.datetime(2026, 1, 2, 3, 4, 5, 678901), "u,1", 'it"em é', 2),
        ("e2", dt.datetime(2026, 1, 2, 23, 59, 59, 999999), "u2", "b", 1),
        ("e2", dt.datetime(2026, 1, 3), "u2", "b", 1),
        ("e3", dt.datetime(2031, 1, 1), "u2", "b", 1),
        ("e4", dt.datetime(2026, 1, 3), "u2", None, 1),
    ],
    [("e1", dt.datetime(2026, 1, 4), "u,1", "a", 7), ("e5", dt.datetime(2026, 1, 4), None, "a", 7)],
]
FIELDS = {"event_id": "id", "user_id": "u", "item_id": "i", "quantity": "q"}
ZONE = "Europe/Berlin"


def as_csv(rows: list[tuple[Any, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)  # ends lines with CRLF
    writer.writerow(NAMES)
    writer.writerows([[_text(value) for value in row] for row in rows])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_jsonl(rows: list[tuple[Any, ...]]) -> bytes:
    objects = [dict(zip(NAMES, map(_text, row), strict=True)) for row in rows]
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def as_parquet(rows: list[tuple[Any, ...]]) -> bytes:
    kinds = (pa.string(), pa.timestamp("us"), pa.string(), pa.string(), pa.int32())
    schema = pa.schema(list(zip(NAMES, kinds, strict=True)))
    out = io.BytesIO()
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(objects, schema), out, row_group_size=2)
    return out.getvalue()


def _text(value: object) -> object:
    return value.isoformat(" ") if isinstance(value, dt.datetime) else value


# Format, and of each of the two files its ending and how it is written.
WAYS: dict[str, tuple[tuple[str, Callable[[list[tuple[Any, ...]]], bytes]], ...]] = {
    "csv": ((".csv", as_csv), (".csv", as_csv)),
    "jsonl": ((".jsonl", as_jsonl), (".jsonl.gz", lambda rows: PACKERS[".gz"](as_jsonl(rows)))),
    "parquet": ((".parquet", as_parquet), (".parquet", as_parquet)),
    "compressed csv": (
        (".csv.gz", lambda rows: PACKERS[".gz"](as_csv(rows))),
        (".csv.zst", lambda rows: PACKERS[".zst"](as_csv(rows))),
    ),
}


@pytest.mark.spark
def test_the_same_rows_in_every_format_are_the_same_events(
    spark: SparkSession, tmp_path: Path
) -> None:
    events, counts, quarantine = {}, {}, {}
    for way, writers in WAYS.items():
        kind = way.split()[-1]
        made = Shop(spark, tmp_path / way, shop(format=kind, fields=FIELDS, time_zone=ZONE))
        files = {
            f"{place}{ending}": write(rows)
            for place, (rows, (ending, write)) in enumerate(zip(RECORDS, writers, strict=True))
        }
        assert made.take(dict(files))["events"] == Conservation(2, 7, 3, 2, 2)
        found = made.lake.read("events").drop("file", "line")
        events[way] = sorted(str(row) for row in found.collect())
        names = ("landed", "accepted", "quarantined", "duplicate")
        batches = read_rows(made.lake.home, "batches")
        counts[way] = {tuple(row[name] for name in names) for row in batches}
        above = kind == "csv"  # the header
        bad = made.rows("quarantine", "line", "reason")
        quarantine[way] = [(line - above, reason) for line, reason in bad]
    assert made.take()["events"] == Conservation()
    for way in WAYS:
        assert events[way] == events["csv"], way
        assert counts[way] == {(5, 2, 2, 1), (2, 1, 0, 1)}, way
        assert quarantine[way] == [(4, "future_time"), (5, "missing_item")], way
    assert len(events["csv"]) == 3
    assert "2026, 1, 2, 2, 4, 5, 678901" in events["csv"][0]  # local time in winter


@pytest.mark.spark
def test_parquet_keeps_types_and_nesting(spark: SparkSession, tmp_path: Path) -> None:
    """Instants stand whatever the zone; structs and lists are reached by SQL; a row stays JSON."""
    fields = {
        "user_id": "who.id",
        "item_id": "basket[0].sku",
        "price": "basket[0].cost",
        "quantity": "size(basket)",
        "consent": "ok",
        "region": "tags['region']",
    }
    made = Shop(
        spark,
        tmp_path,
        shop(format="parquet", time="who.at", fields=fields, time_zone=ZONE),
    )
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    rows = [
        {
            "who": {"id": 4711, "at": at},
            "basket": [{"sku": "a", "cost": 0.1}, {"sku": "b", "cost": None}],
            "ok": False,
            "tags": [("region", "north")],
            "odd name`": None,
        },
        {"who": None, "basket": [], "ok": None, "tags": None, "odd name`": b"\x00"},
    ]
    schema = pa.schema(
        [
            ("who", pa.struct([("id", pa.uint32()), ("at", pa.timestamp("ns", "America/Lima"))])),
            ("basket", pa.list_(pa.struct([("sku", pa.string()), ("cost", pa.float32())]))),
            ("ok", pa.bool_()),
            ("tags", pa.map_(pa.string(), pa.string())),
            ("odd name`", pa.binary()),
        ]
    )
    made.landing.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema), made.landing / "a.parquet")
    assert made.take()["events"] == Conservation(1, 2, 1, 1, 0)
    names = ("user_key", "item_id", "event_time", "price", "quantity", "consent", "region")
    naive = at.replace(tzinfo=None)
    assert made.rows("events", *names) == [
        (KEY.user_key("4711"), "a", naive, 0.1, 2.0, False, "north")
    ]
    records = [json.loads(row[0]) for row in made.rows("raw_events", "record")]
    assert {"basket": [], "odd name`": "AA=="} in records
    assert made.rows("quarantine", "line", "reason") == [(2, "missing_item")]


@pytest.mark.spark
def test_parquet_files_of_different_columns_land_together(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, shop(format="parquet"))
    made.landing.mkdir()
    first = {"ts": ["2026-01-01"], "u": ["u"], "i": ["a"], "q": [1]}
    second = {"i": [7, 8], "q": [1.5, None], "u": ["u", "u"], "ts": [dt.date(2026, 1, 2)] * 2}
    pq.write_table(pa.table(first), made.landing / "1.parquet")
    pq.write_table(pa.table(second), made.landing / "2.parquet")
    pq.write_table(pa.table(second).slice(0, 0), made.landing / "3.parquet")
    assert made.take()["events"] == Conservation(3, 3, 3, 0, 0)
    assert made.rows("events", "item_id", "quantity") == [("7", 1.5), ("8", None), ("a", 1.0)]


def damaged() -> dict[str, bytes]:
    """A name each for a way to be damaged, and the bytes."""
    text, table = as_csv(RECORDS[0] * 50), as_parquet(RECORDS[0] * 50)
    packed = {end: PACKERS[end](text) for end in (".gz", ".zst")}
    return {
        **{f"cut.csv{end}": content[:-5] for end, content in packed.items()},
        **{f"half.csv{end}": content[: len(content) // 2] for end, content in packed.items()},
        **{f"plain.csv{end}": text for end in packed},
        **{f"more.csv{end}": content + b"more" for end, content in packed.items()},
        "cut.parquet": table[:-5],
        "headless.parquet": table[:4] + table[20:],
        "text.parquet": text,
        "mark.parquet": b"PAR1",
    }


@pytest.mark.parametrize("name", damaged())
def test_damaged_files_are_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(damaged()[name])
    kind = "parquet" if name.endswith("parquet") else "csv"
    with pytest.raises(LandingError, match="the file is damaged, cut off, or not what") as caught:
        new_files(tmp_path, shop(format=kind).events, taken={})
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_parquet_that_spark_cannot_hold_is_refused(tmp_path: Path) -> None:
    mapping = shop(format="parquet").events
    for column, what in (
        (pa.array([[(1, "a")]], pa.map_(pa.int8(), pa.string())), "values of type map<int8"),
        (pa.array([b"\xff"], pa.binary()).cast(pa.string(), safe=False), "Invalid UTF8"),
    ):
        pq.write_table(pa.table({"c": column}), tmp_path / "a.parquet")
        with pytest.raises(LandingError, match=what):
            new_files(tmp_path, mapping, taken={})
    pq.write_table(pa.table([[1], [2]], ["a", "A"]), tmp_path / "a.parquet")
    with pytest.raises(LandingError, match="columns 1 and 2 the same one"):
        new_files(tmp_path, mapping, taken={})


@pytest.mark.spark
def test_nothing_is_taken_where_one_file_is_damaged(spark: SparkSession, tmp_path: Path) -> None:
    made = Shop(spark, tmp_path, shop(fields=FIELDS))
    good = gzip.compress(as_csv(RECORDS[0]))
    with pytest.raises(LandingError, match=r"b\.csv\.gz: the file is damaged"):
        made.take({"a.csv.gz": good, "b.csv.gz": good[:-9]})
    assert not made.lake.exists("batches")
    assert not made.lake.exists("raw_events")
    assert made.take({"b.csv.gz": good})["events"] == Conservation(1, 5, 2, 2, 1)
