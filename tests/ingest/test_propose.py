"""What `recsys-batch init` proposes for files whose right mapping is known."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_batch.config import (
    EVENT_FIELDS,
    ITEM_FIELDS,
    Dataset,
    EventMapping,
    EventType,
    load_settings,
)
from recsys_batch.contracts.rules import EVENT_RULES
from recsys_batch.errors import ConfigError, LandingError, MappingError
from recsys_batch.ingest.guess.times import time_kind
from recsys_batch.ingest.propose import Proposal, propose, write_proposal
from recsys_batch.simulator import shop_settings, simulate

from .texts import PACKERS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from recsys_batch.config import Settings


def written(folder: Path, text: str, name: str = "events.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def loaded(proposal: Proposal, conf: Path) -> Settings:
    return load_settings(str(write_proposal(proposal, conf)))


def dataset_of(file: Path, tmp_path: Path) -> Dataset:
    return loaded(propose(file, name="mine"), tmp_path / "conf").dataset


def types_of(dataset: Dataset) -> dict[str, str]:
    return {rule.type: rule.when for rule in dataset.events.types}


RETAILROCKET = """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,view,248676,
1433221999827,111016,addtocart,318965,
1433222276276,483717,transaction,253185,4000
"""


def test_clicks_carts_and_purchases_in_milliseconds(tmp_path: Path) -> None:
    found = loaded(propose(written(tmp_path, RETAILROCKET), name="shop"), tmp_path / "conf")
    events = found.dataset.events
    assert events.fields == {
        "user_id": "visitorid",
        "item_id": "itemid",
        "request_id": "transactionid",
    }
    assert (events.time, events.time_format) == ("timestamp", "epoch_millis")
    assert types_of(found.dataset) == {
        "view": "lower(trim(`event`)) IN ('view')",
        "add_to_cart": "lower(trim(`event`)) IN ('addtocart')",
        "purchase": "lower(trim(`event`)) IN ('transaction')",
    }
    assert found.dataset.weights == {"view": 0.1, "add_to_cart": 0.5, "purchase": 1.0}
    assert found.dataset.landing == str(tmp_path)
    assert found.evaluation.relevant_types == ("purchase",)
    assert found.recommend.seen_types == ("purchase",)
    assert found.recommend.seen == "exclude"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)))
def test_the_order_of_columns_changes_nothing(tmp_path: Path, order: list[int]) -> None:
    rows = list(csv.reader(io.StringIO(RETAILROCKET)))
    text = "".join(",".join(row[place] for place in order) + "\n" for row in rows)
    straight = propose(written(tmp_path, RETAILROCKET), name="shop")
    assert propose(written(tmp_path, text), name="shop") == straight


@pytest.mark.realdata
def test_online_retail(datasets: Path, tmp_path: Path) -> None:
    file = datasets / "online_retail" / "by-day" / "2010-12-01.csv"
    proposal = propose(file, name="shop")
    found = loaded(proposal, tmp_path)
    events = found.dataset.events
    assert events.fields == {
        "user_id": "regexp_replace(`CustomerID`, '[.]0$', '')",
        "item_id": "StockCode",
        "quantity": "Quantity",
        "price": "UnitPrice",
        "region": "Country",
        "title": "Description",
        "request_id": "InvoiceNo",
    }
    assert (events.pattern, events.delimiter, events.header) == ("*.csv", ",", True)
    assert (events.time, events.time_format) == ("InvoiceDate", "iso")
    assert [(rule.type, rule.when) for rule in events.types] == [
        ("cancel", "try_cast(`Quantity` AS DOUBLE) < 0"),
        ("purchase", "true"),
    ]
    assert found.dataset.weights == {"purchase": 1.0, "cancel": -1.0}
    # Wholesale customers buy again: within this one day they did so already.
    assert found.recommend.seen == "allow"
    assert any("no zone" in note for note in proposal.notes)
    assert any("1140 of 3108 records have no CustomerID" in note for note in proposal.notes)


@pytest.mark.realdata
def test_movielens_has_no_header(datasets: Path, tmp_path: Path) -> None:
    proposal = propose(datasets / "ml-100k" / "u.data", name="films")
    found = loaded(proposal, tmp_path)
    events = found.dataset.events
    assert (events.pattern, events.delimiter, events.header) == ("*.data", "\t", False)
    assert events.columns == ("col_0", "col_1", "col_2", "col_3")
    assert events.fields == {"user_id": "col_0", "item_id": "col_1", "value": "col_2"}
    assert (events.time, events.time_format) == ("col_3", "epoch_seconds")
    assert types_of(found.dataset) == {"rating": "true"}
    assert found.evaluation.relevant_types == ("rating",)
    assert any("col_1 by a guess" in note for note in proposal.notes)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_simulated_shop(tmp_path: Path, kind: str) -> None:
    shop = shop_settings("shop", {"users": 120, "items": 100, "days": 5, "format": kind})
    simulate(shop, out=tmp_path)
    file = sorted((tmp_path / "landing" / "events").iterdir())[-1]
    proposal = propose(file, name="shop")
    found = loaded(proposal, tmp_path / "conf")
    sample = load_settings("sample").dataset.events
    assert found.dataset.events.fields == sample.fields
    assert found.dataset.events.pattern == f"*.{kind}"
    assert found.dataset.events.format == kind
    assert list(types_of(found.dataset)) == ["impression", "view", "add_to_cart", "purchase"]


GERMAN = """Kunden-Nr;Artikel Nr.;Bezeichnung;Datum;Menge;Einzelpreis;Land
K1;A1;Käse, jung;13.01.2025 08:26;2;1.012,50;Österreich
K2;A2;Brot;14.01.2025 09:00;1;2,50;Deutschland
K1;A1;Käse, jung;15.01.2025 09:00;-1;12,50;Österreich
"""


def test_a_german_export_in_latin_1(tmp_path: Path) -> None:
    events = dataset_of(written(tmp_path, GERMAN, encoding="iso-8859-1"), tmp_path).events
    assert (events.delimiter, events.encoding) == (";", "ISO-8859-1")
    assert events.fields == {
        "user_id": "Kunden-Nr",
        "item_id": "Artikel Nr.",
        "title": "Bezeichnung",
        "quantity": "Menge",
        "price": "replace(replace(`Einzelpreis`, '.', ''), ',', '.')",
        "region": "Land",
    }
    assert (events.time, events.time_format) == ("Datum", "dd.MM.yyyy HH:mm")
    assert [rule.type for rule in events.types] == ["cancel", "purchase"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    file = written(tmp_path, "\ufeffuser_id,item_id,ts\nu1,i1,2025-01-01T00:00:00Z\n")
    dataset = dataset_of(file, tmp_path)
    assert dataset.events.fields == {"user_id": "user_id", "item_id": "item_id"}
    assert types_of(dataset) == {"view": "true"}
    assert dataset.weights == {"view": 1.0}


def test_a_file_without_header_by_places_and_words(tmp_path: Path) -> None:
    kinds = ["pv", "buy", "cart", "fav"]
    text = "".join(
        f"{100 + n % 17},{5000 + n % 41},{30 + n % 13},{kinds[n % 4]},{1511544070 + n}\n"
        for n in range(200)
    )
    proposal = propose(written(tmp_path, text), name="mall")
    dataset = loaded(proposal, tmp_path / "conf").dataset
    assert not dataset.events.header
    assert dataset.events.fields == {"user_id": "col_0", "item_id": "col_1"}
    assert dataset.events.time == "col_4"
    assert list(types_of(dataset)) == ["view", "add_to_cart", "purchase", "rating"]
    assert any("fav in col_3 is taken as rating" in note for note in proposal.notes)


@pytest.mark.parametrize(
    ("text", "fields", "kind"),
    [
        (
            "client_id;produit;date_achat;quantité;prix unitaire\n"
            "C1;P1;05/03/2024;2;1,50\nC2;P2;25/03/2024;2;10,50\n",
            {
                "user_id": "client_id",
                "item_id": "produit",
                "quantity": "quantité",
                "price": "replace(replace(`prix unitaire`, '.', ''), ',', '.')",
            },
            "purchase",
        ),
        (
            "order_id,customer_email,sku,ordered_at,total\n"
            "1,a@x.de,S1,2024-01-02T03:04:05+01:00,$12.50\n",
            {"user_id": "customer_email", "item_id": "sku", "request_id": "order_id"},
            "purchase",
        ),
        (
            "overall,verified,reviewTime,reviewerID,asin,unixReviewTime\n"
            '5.0,True,"09 18, 2013",A2IB,B0001,1379462400\n',
            {"user_id": "reviewerID", "item_id": "asin", "value": "overall"},
            "rating",
        ),
        (
            "household_key,BASKET_ID,when,PRODUCT_ID,QUANTITY,STORE_ID\n"
            "2375,26984851472,2024-01-02,1004906,1,364\n",
            {
                "user_id": "household_key",
                "item_id": "PRODUCT_ID",
                "request_id": "BASKET_ID",
                "quantity": "QUANTITY",
            },
            "purchase",
        ),
        (
            "1,2014-04-07T10:51:09.277Z,214536502,0\n2,2014-04-07T10:54:09.868Z,214536500,0\n",
            {"user_id": "col_0", "item_id": "col_2"},
            "view",
        ),
    ],
    ids=["french", "orders", "reviews", "household", "sessions"],
)
def test_files_as_they_are_found(
    tmp_path: Path, text: str, fields: dict[str, str], kind: str
) -> None:
    dataset = dataset_of(written(tmp_path, text), tmp_path)
    assert dataset.events.fields == fields
    assert dataset.events.types[-1].type == kind


def test_names_with_dots_and_spaces_and_an_unnamed_index(tmp_path: Path) -> None:
    text = (
        ",customer.id,Product Code,Event Type,event time\n"
        "0,7.0,12,View,2025-01-01 10:00:00 UTC\n"
        "1,8.0,13,it's odd,2025-01-02 10:00:00 UTC\n"
        "2,8.0,13,Buy,2025-01-02 10:00:00 UTC\n"
    )
    proposal = propose(written(tmp_path, text), name="mine")
    events = loaded(proposal, tmp_path / "conf").dataset.events
    assert events.fields == {
        "user_id": "regexp_replace(`customer.id`, '[.]0$', '')",
        "item_id": "Product Code",
    }
    assert [rule.when for rule in events.types] == [
        "lower(trim(`Event Type`)) IN ('view')",
        "lower(trim(`Event Type`)) IN ('buy')",
    ]
    assert any("it's odd (1x)" in note for note in proposal.notes)


def test_json_lines_with_nested_and_missing_keys(tmp_path: Path) -> None:
    records = [
        {"userId": 7, "sku": "A", "ts": 1735689600.5, "action": "click", "rank": 0, "x": {"y": 1}},
        {"userId": 8, "sku": "B", "ts": 1735689700, "action": "like", "rank": 3},
    ]
    text = "\n".join(json.dumps(record) for record in records)
    events = dataset_of(written(tmp_path, text, "log.json"), tmp_path).events
    assert (events.format, events.pattern) == ("jsonl", "*.json")
    assert events.time_format == "epoch_seconds"
    assert events.fields == {
        "user_id": "userId",
        "item_id": "sku",
        "position": "try_cast(try_cast(`rank` AS DOUBLE) AS INT) + 1",
    }


def test_repeats_are_allowed_where_they_are_common(tmp_path: Path) -> None:
    def purchases(again: int) -> str:
        rows = [f"u{n},i{n},2025-01-01,1" for n in range(100)]
        rows += [f"u{n},i{n},2025-02-01,1" for n in range(again)]
        return "\n".join(["user,item,date,quantity", *rows]) + "\n"

    # 1 of 101 and 3 of 103 purchases are repeats: below and above the two per cent.
    for again, seen in ((1, "exclude"), (3, "allow")):
        proposal = propose(written(tmp_path, purchases(again)), name=f"shop_{again}")
        assert loaded(proposal, tmp_path / "conf").recommend.seen == seen
    assert "2.9% of the 103 purchase events" in " ".join(proposal.yaml.split())


def test_only_files_that_look_alike_are_taken(tmp_path: Path) -> None:
    file = written(tmp_path, RETAILROCKET, "events_2025-01-01.csv")
    written(tmp_path, RETAILROCKET, "events_2025-01-02.csv")
    written(tmp_path, "categoryid,parentid\n1,2\n", "category_tree.csv")
    proposal = propose(file, name="shop")
    pattern = loaded(proposal, tmp_path / "conf").dataset.events.pattern
    assert pattern == "events_*.csv"
    assert {each.name for each in tmp_path.glob(pattern)} == {
        "events_2025-01-01.csv",
        "events_2025-01-02.csv",
    }
    assert any("category_tree.csv" in note for note in proposal.notes)
    written(tmp_path, "a,b\n1,2\n", "events_of_old.csv")
    proposal = propose(file, name="again")
    assert loaded(proposal, tmp_path / "conf").dataset.events.pattern == file.name


def test_consent_is_never_assumed_silently(tmp_path: Path) -> None:
    text = "user_id,item_id,ts,consent\nu,i,2025-01-01,granted\nv,i,2025-01-01,\n"
    proposal = propose(written(tmp_path, text), name="mine")
    assert loaded(proposal, tmp_path / "conf").dataset.events.fields["consent"] == "consent"
    notes = [note for note in proposal.notes if note.startswith("consent")]
    assert "holds granted, neither true nor false" in notes[0]
    assert "empty in 1 records, which counts as consent" in notes[1]


def test_the_guide_names_every_key_and_its_example_loads(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
    example = tmp_path / "my_shop.yaml"
    example.write_text(guide.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    dataset = load_settings(str(example)).dataset
    assert dataset.items is not None
    keys = {*Dataset.model_fields, *EventMapping.model_fields, *EVENT_FIELDS, *ITEM_FIELDS}
    types = {*get_args(EventType)}
    reasons = {rule.reason for rule in EVENT_RULES}
    assert {key for key in keys | types | reasons if f"`{key}`" not in guide} == set()


def test_every_note_stands_in_the_text(tmp_path: Path) -> None:
    proposal = propose(written(tmp_path, GERMAN), name="mine")
    flat = " ".join(proposal.yaml.replace("#", " ").split())
    assert proposal.notes
    assert all(f"CHECK: {' '.join(note.split())}." in flat for note in proposal.notes)


TIMES = [
    (["2025-01-31", "2025-02-01"], "iso"),
    (["2025-01-31T10:00:00+0200"], "iso"),
    (["2025-01-31 10:00:00+02"], "yyyy-MM-dd HH:mm[:ss][.SSSSSSSSS]X"),
    (["31/01/2025 10:00", "01/02/2025 08:00"], "dd/MM/yyyy HH:mm"),
    (["12/1/2010 8:26", "12/13/2010 8:26"], "M/d/yyyy H:mm"),
    (["01/31/2025 01:02:03 PM"], "MM/dd/yyyy hh:mm:ss a"),
    (["20250131", "20250201"], "yyyyMMdd"),
    (["1735689600", "1735689601.5"], "epoch_seconds"),
    (["1735689600000"], "epoch_millis"),
    (["31.1.25"], "d.M.yy"),
]


@pytest.mark.parametrize(("values", "expected"), TIMES)
def test_time_formats(values: list[str], expected: str) -> None:
    found = time_kind(values)
    assert found is not None
    assert (found.format, found.share, found.check) == (expected, 1.0, "")


@pytest.mark.parametrize("values", [["7", "8"], ["2025-13-01"], ["i20250101"], ["4000"], ["99.5"]])
def test_what_is_no_time(values: list[str]) -> None:
    assert time_kind(values) is None


def test_day_or_month_first_is_said_to_be_uncertain() -> None:
    found = time_kind(["01/02/2025", "03/02/2025"])
    assert found is not None
    assert found.format == "dd/MM/yyyy"
    assert "no value says" in found.check
    # In records of consecutive days the day changes and the month does not.
    other = time_kind(["02/01/2025", "02/03/2025"])
    assert other is not None
    assert other.format == "MM/dd/yyyy"


@given(
    moments=st.lists(
        st.datetimes(dt.datetime(1990, 1, 2), dt.datetime(2099, 12, 30)), min_size=1, max_size=20
    )
)
def test_any_iso_and_epoch_times_are_known(moments: list[dt.datetime]) -> None:
    texts = [moment.isoformat(sep=" ", timespec="seconds") for moment in moments]
    seconds = [str(int(moment.replace(tzinfo=dt.UTC).timestamp())) for moment in moments]
    for values, expected in (
        (texts, "iso"),
        (seconds, "epoch_seconds"),
        ([each + "000" for each in seconds], "epoch_millis"),
    ):
        found = time_kind(values)
        assert found is not None
        assert found.format == expected


@pytest.mark.parametrize("packed", [".gz", ".zst"])
def test_compressed_text_is_looked_into(tmp_path: Path, packed: str) -> None:
    plain = dataset_of(written(tmp_path, RETAILROCKET, "2.csv"), tmp_path / "plain")
    for name, text in (("2.csv", RETAILROCKET), ("1.csv", RETAILROCKET), ("items.csv", "sku\n1\n")):
        (tmp_path / f"{name}{packed}").write_bytes(PACKERS[packed](text.encode()))
    proposal = propose(tmp_path / f"2.csv{packed}", name="mine")
    events = loaded(proposal, tmp_path / "conf").dataset.events
    assert events == plain.events.model_copy(update={"pattern": f"2.csv{packed}"})
    assert any(f"items.csv{packed}" in note for note in proposal.notes)
    (tmp_path / f"items.csv{packed}").unlink()
    assert dataset_of(tmp_path / f"2.csv{packed}", tmp_path / "more").events.pattern == (
        f"*.csv{packed}"
    )


def test_parquet_is_looked_into_by_its_types(tmp_path: Path) -> None:
    def rows(count: int) -> pa.Table:
        at = [dt.datetime(2026, 1, 1 + n, tzinfo=dt.UTC) for n in range(count)]
        return pa.table(
            {
                "visitor_id": pa.array(range(count), pa.int64()),
                "product_id": pa.array([f"p{n}" for n in range(count)]).dictionary_encode(),
                "at": pa.array(at, pa.timestamp("ns", "UTC")),
                "action": ["view", "purchase"] * (count // 2),
                "context": [{"device": "phone"}] * count,
            }
        )

    pq.write_table(rows(10), tmp_path / "1.parquet")
    pq.write_table(rows(8), tmp_path / "2.parquet")
    proposal = propose(tmp_path / "1.parquet", name="mine")
    dataset = loaded(proposal, tmp_path / "conf").dataset
    events = dataset.events
    assert (events.format, events.pattern) == ("parquet", "*.parquet")
    assert (events.time, events.time_format) == ("at", "iso")
    assert events.fields == {"user_id": "visitor_id", "item_id": "product_id"}
    assert set(types_of(dataset)) == {"view", "purchase"}
    assert [note for note in proposal.notes if "context.part" in note]
    assert "times say their zone themselves" in proposal.yaml
    pq.write_table(rows(0), tmp_path / "none.parquet")
    with pytest.raises(LandingError, match="no record"):
        propose(tmp_path / "none.parquet", name="mine")


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("a.csv", b"", LandingError, "the file is empty"),
        ("a.csv", b" \n\n", LandingError, "the file is empty"),
        ("a.csv", b"user,item,time\n", LandingError, "no record below the header"),
        ("a.csv", b"\x89PNG\x00\x01", LandingError, "it is binary"),
        ("a.dat", b"PAR1\x15\x04", LandingError, "it is damaged or cut off"),
        ("a.parquet", b"PAR1", LandingError, "it is damaged or cut off"),
        ("a.csv", "a,b\n".encode("utf-16"), LandingError, "UTF-16"),
        ("a.csv.gz", b"\x1f\x8b", LandingError, "it is damaged or cut off"),
        ("a.csv.zst", b"user,item,ts\n", LandingError, "it is damaged or cut off"),
        ("a.csv.bz2", b"BZh", LandingError, "only .gz and .zst are decompressed"),
        ("a.json", b'[{"a": 1}]', LandingError, "one JSON array"),
        ("a.json", b'{\n"a": 1\n}\n', LandingError, "no JSON object a line"),
        ("a.dat", b"1::1193::5::978300760\n", LandingError, "no delimiter"),
        ("a.csv", b"user,User,ts\n1,2,3\n", LandingError, "same name"),
        ("a.csv", b"user,item,_Broken,ts\n1,2,3,2025-01-01\n", LandingError, "'_Broken'"),
        ("a.csv", b"user,item,n\nu,i,1\n", MappingError, "columns user, item, n can be told"),
        ("a.csv", b"kto,co,ts\nu,i,2025-01-01\n", MappingError, "columns kto, co, ts can be told"),
    ],
)
def test_what_cannot_be_proposed(
    tmp_path: Path, name: str, content: bytes, error: type[Exception], said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(error) as raised:
        propose(file, name="mine")
    assert said in str(raised.value)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_columns_may_be_called_as_ingest_calls_its_own(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "user,item,file,line,record,valid_text,malformed,ts\n"
        + "".join(f"u{n % 3},i{n % 4},f,{n},r,v,m,2025-01-0{1 + n % 9}\n" for n in range(30))
    )
    dataset = loaded(propose(file, name="mine"), tmp_path / "conf").dataset
    assert dataset.events.fields["item_id"] == "item"


def test_a_missing_file_a_folder_and_bad_names(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="there is no such file"):
        propose(tmp_path / "none.csv", name="mine")
    with pytest.raises(LandingError, match="this is a folder"):
        propose(tmp_path, name="mine")
    file = written(tmp_path, RETAILROCKET)
    for name in ("Mine", "1st", "my-shop", "", "a\n"):
        with pytest.raises(ConfigError, match="no name of a dataset"):
            propose(file, name=name)


def test_a_dataset_is_never_overwritten(tmp_path: Path) -> None:
    proposal = propose(written(tmp_path, RETAILROCKET), name="mine")
    path = write_proposal(proposal, tmp_path / "conf")
    path.write_text("kept", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already"):
        write_proposal(proposal, tmp_path / "conf")
    assert path.read_text(encoding="utf-8") == "kept"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_end_in_a_proposal_or_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    with pytest.raises((LandingError, MappingError)):
        propose(file, name="mine")


def test_the_first_records_decide_and_the_rest_is_not_read(tmp_path: Path) -> None:
    head = "user_id,item_id,ts\n" + "u1,i1,2025-01-01\n" * 6000
    proposal = propose(written(tmp_path, head + "\x00" * 10), name="mine")
    assert "the first 5000 records" in proposal.yaml


INGESTED = {
    "german": (GERMAN.encode("iso-8859-1"), ["cancel", "purchase", "purchase"]),
    "rocket": (RETAILROCKET.encode(), ["add_to_cart", "purchase", "view", "view"]),
    "quoted": (
        b",customer.id,Product Code,Event Type,at,line total\n"
        b"0,7.0,12,it's BOUGHT,12/31/2024 8:05 PM,1\n"
        b"1,7.0,13,Buy,1/2/2025 11:05 AM,1\n"
        b"2,7.0,13,View,1/2/2025 11:06 AM,1\n",
        ["purchase", "view"],
    ),
}


@pytest.mark.spark
@pytest.mark.parametrize("name", sorted(INGESTED))
def test_what_is_proposed_is_ingested(spark: SparkSession, tmp_path: Path, name: str) -> None:
    from recsys_batch.ingest.batch import sources, take
    from recsys_batch.ingest.pseudonyms import load_key
    from recsys_batch.lake.store import Lake

    content, types = INGESTED[name]
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "events.csv").write_bytes(content)
    dataset = dataset_of(landing / "events.csv", tmp_path)
    lake = Lake(spark, tmp_path / "lake")
    counts = take(
        lake,
        sources(dataset)[0],
        dataset=dataset,
        landing=Path(dataset.landing or ""),
        key=load_key(create=False)[0],
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    landed = content.count(b"\n") - 1
    assert (counts.landed, counts.duplicate) == (landed, 0)
    rows = lake.read("events").orderBy("event_time").collect()
    assert sorted(row["event_type"] for row in rows) == types
    assert all(row["user_key"] for row in rows)
    if name == "german":
        assert [row["price"] for row in rows] == [1012.5, 2.5, 12.5]
        assert rows[0]["title"] == "Käse, jung"
        assert rows[0]["event_time"].isoformat() == "2025-01-13T08:26:00"


def test_a_record_of_several_lines_is_one(tmp_path: Path) -> None:
    lines = "".join(
        f'u{n % 3},i{n},2026-01-{n:02},"said;\n\n""{n}""\nthings"\n' for n in range(1, 29)
    )
    file = written(tmp_path, f"user_id,item_id,event_time,remark\n{lines}")
    proposal = propose(file, name="mine")
    events = loaded(proposal, tmp_path / "conf").dataset.events
    assert (events.delimiter, events.header) == (",", True)
    assert events.fields["item_id"] == "item_id"
    assert not any("quarantined" in note for note in proposal.notes)
