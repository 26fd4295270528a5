"""Online Retail from its files to its lists: a dirty wholesaler's year, and the days after it."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from benchmarks.daily.following import Published, following
from e2e.real import report, run_day
from recsys_batch.features.history import day_end
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.publish.pointer import read_current

DAY = "2011-11-30"
ROWS = 541_909
pytestmark = [pytest.mark.realdata, pytest.mark.slow]


@pytest.fixture(scope="session")
def retail(datasets, tmp_path_factory) -> Published:
    landing = datasets / "online_retail" / "by-day"
    return run_day("online_retail", landing=landing, day=DAY, lake=tmp_path_factory.mktemp("lake"))


@dataclass(frozen=True)
class Line:
    """An invoice line, read with the csv module alone."""

    file: str
    row: dict[str, str]

    @property
    def fate(self) -> str:
        price = float(self.row["UnitPrice"])
        return "unknown_type" if price == 0 else "negative_price" if price < 0 else "good"

    @property
    def content(self) -> tuple[str, ...]:
        return tuple(value for name, value in self.row.items() if name != "Description")

    @property
    def customer(self) -> str:
        return self.row["CustomerID"].removesuffix(".0")

    @property
    def sign(self) -> int:
        return -1 if self.row["InvoiceNo"].startswith("C") else 1

    @property
    def time(self) -> dt.datetime:
        local = dt.datetime.fromisoformat(self.row["InvoiceDate"])
        return local.replace(tzinfo=ZoneInfo("Europe/London"))

    def weight(self, half_life_days: float | None) -> float:
        """Sign, halved with each half-life of whole days before the end of the day."""
        if half_life_days is None:
            return float(self.sign)
        until = day_end(dt.date.fromisoformat(DAY)).date()
        age = (until - self.time.astimezone(dt.UTC).date()).days
        return self.sign * 0.5 ** (age / half_life_days)


def _lines(folder: Path) -> list[Line]:
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [Line(path.name, row) for row in csv.DictReader(file)]
    return found


@pytest.fixture(scope="session")
def lines(datasets) -> list[Line]:
    return _lines(datasets / "online_retail" / "by-day")


@pytest.fixture(scope="session")
def sold(lines) -> list[Line]:
    """Good lines up to the day, each once."""
    good = {line.content: line for line in reversed(lines) if line.fate == "good"}
    end = day_end(dt.date.fromisoformat(DAY))
    return [line for line in good.values() if line.time < end]


def test_every_row_of_every_file_is_accounted_for(retail, lines):
    landed, accepted = Counter(), Counter()
    quarantined, duplicate = Counter(), Counter()
    seen = set()
    for line in lines:
        landed[line.file] += 1
        if line.fate != "good":
            quarantined[line.file] += 1
        elif line.content in seen:
            duplicate[line.file] += 1
        else:
            accepted[line.file] += 1
            seen.add(line.content)
    assert landed.total() == ROWS == sum(map(Counter.total, (accepted, quarantined, duplicate)))
    batches = retail.table("batches", status="complete")
    assert len(batches) == len(landed) == 305
    for row in batches.iter_rows(named=True):
        by_hand = (each[row["file"]] for each in (landed, accepted, quarantined, duplicate))
        names = ("landed", "accepted", "quarantined", "duplicate")
        assert tuple(row[name] for name in names) == tuple(by_hand), row["file"]
    assert len(retail.table("events")) == accepted.total()


def test_quarantine_names_the_reason_file_and_line(retail, lines):
    found = retail.table("quarantine")
    by_hand = Counter(line.fate for line in lines)
    assert dict(found.group_by("reason").len().iter_rows()) == {
        "unknown_type": by_hand["unknown_type"],
        "negative_price": by_hand["negative_price"],
    }
    assert by_hand == {"good": ROWS - 2517, "unknown_type": 2515, "negative_price": 2}
    adjusted = found.filter(pl.col("reason") == "negative_price").sort("line")
    for file, number, record in adjusted.select("file", "line", "record").iter_rows():
        landing = (line for line in lines if line.file == file)
        assert "Adjust bad debt" in record
        assert list(landing)[number - 2].row["Description"] == "Adjust bad debt"


def test_cancellations_net_out(retail, sold):
    """One customer's whole history by hand: bought, half taken back, wholly taken back."""
    customer = "15311"
    half_life = retail.recipe.interest_half_life_days
    net, signs = defaultdict(float), defaultdict(list)
    for line in sold:
        if line.customer == customer:
            net[line.row["StockCode"]] += line.weight(half_life)
            signs[line.row["StockCode"]].append(line.sign)
    user = load_key(create=False)[0].user_key(customer)
    pairs = retail.table("interactions", run_id=retail.publication, part="full", user_key=user)
    found = dict(pairs.select("item_id", "weight").iter_rows())
    bought = {item for item, each in signs.items() if 1 in each}
    assert set(found) == bought  # an item that was only cancelled is no interest at all
    for item in bought:
        assert found[item] == pytest.approx(max(net[item], 0.0), abs=1e-5), item
    taken_back = {item for item in bought if net[item] <= 0}
    partly = {item for item in bought - taken_back if -1 in signs[item]}
    assert taken_back
    assert partly
    assert all(found[item] == 0 for item in taken_back)


def test_an_anonymous_purchase_counts_for_popularity(retail, sold):
    half_life = retail.recipe.popularity_half_life_days
    by_hand, named_only = defaultdict(float), defaultdict(float)
    for line in sold:
        weight = line.weight(half_life)
        by_hand[line.row["StockCode"]] += weight
        named_only[line.row["StockCode"]] += weight if line.customer else 0.0
    rows = retail.table("popularity", run_id=retail.publication, part="full")
    found = dict(rows.filter(pl.col("segment").is_null()).select("item_id", "score").iter_rows())
    assert set(found) >= {item for item, score in by_hand.items() if score > 1e-4}
    for item, score in found.items():
        assert score == pytest.approx(by_hand[item], abs=1e-3), item
    assert sum(named_only.values()) < 0.9 * sum(by_hand.values())
    anonymous = retail.table("events").filter(pl.col("user_key").is_null())
    assert len(anonymous) > 100_000


def test_items_carry_text_and_price(retail, sold):
    items = retail.table("items", run_id=retail.publication, part="full")
    named = {line.row["StockCode"] for line in sold if line.row["Description"].strip()}
    assert set(items["item_id"]) == {line.row["StockCode"] for line in sold}
    assert items["price"].null_count() == 0
    assert set(items.filter(pl.col("title").is_not_null())["item_id"]) == named
    last = max(
        (line for line in sold if line.row["StockCode"] == "85123A" and line.row["Description"]),
        key=lambda line: line.time,
    )
    (row,) = items.filter(pl.col("item_id") == "85123A").iter_rows(named=True)
    assert row["title"] == last.row["Description"].strip()


def test_each_customer_has_a_whole_list(retail, sold):
    lists = retail.table("topn_user", publication_id=retail.publication)
    factors = retail.table("user_factors", run_id=retail.publication, part="full")
    customers = {line.customer for line in sold} - {""}
    key = load_key(create=False)[0]
    assert set(lists["user_key"]) == {key.user_key(each) for each in customers}
    assert set(factors["user_key"]) <= set(lists["user_key"])
    assert len(factors) > 4000
    flat = lists.select("user_key", "items").explode("items").unnest("items")
    per_user = flat.group_by("user_key").agg(pl.len(), pl.col("item_id").n_unique().alias("items"))
    assert per_user.select("len", "items").unique().rows() == [(100, 100)]
    assert not set(flat["item_id"]) & set(retail.settings.recommend.block_items)
    weighed = {name for name, weight in retail.recipe.weights.items() if weight}
    first = flat.join(factors.select("user_key"), on="user_key", how="semi")
    assert set(first["source"]) <= weighed


def test_lists_beat_popularity_on_the_days_after(retail):
    after = following(retail)
    difference = after.against(after.popular)
    ours, theirs = after.ndcg(after.lists).mean(), after.ndcg(after.popular).mean()
    sys.stdout.write(
        f"lists {ours:.4f}, popularity {theirs:.4f}, difference {report(difference)}; "
        f"{after.cold} further buyers were new\n"
    )
    assert difference.users > 500
    assert difference.holds
    assert after.against(after.counted).holds


def test_the_gate_passed_for_cause_and_the_lists_are_live(retail):
    assert read_current(retail.home) == retail.publication
    (decision,) = retail.table("decisions", run_id=retail.publication).iter_rows(named=True)
    assert decision["passed"]
    assert any("NDCG@10" in reason and "shown" in reason for reason in decision["reasons"])
