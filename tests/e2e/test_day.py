"""A day from landing files to live lists; the same day again, and once more elsewhere."""

from __future__ import annotations

import datetime as dt
import importlib
import json

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from e2e.sample import DAYS, Shop, must
from recsys_batch.config import load_settings
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import Job
from recsys_batch.lake.store import Lake
from recsys_batch.pipeline import STAGES
from recsys_batch.publish.exports import verify_exports

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def rows(shop: Shop, layer: str, table: str, **equal: object) -> list[dict]:
    found = pa.table(DeltaTable(str(shop.home / layer / table)).scan()).to_pylist()
    return [row for row in found if all(row[key] == value for key, value in equal.items())]


def test_two_days_gave_two_publications_and_the_later_is_live(shop):
    found = json.loads(shop.ask("publications", "--json").out)
    assert [each["as_of"] for each in found] == list(DAYS)
    assert [each["status"] for each in found] == ["kept", "live"]
    assert shop.live() == found[1]["publication_id"]


def test_a_backfill_passes_over_days_that_are_sealed(shop):
    live, before = shop.live(), [shop.edge(each) for each in (shop.live(),)]
    ran = must(
        *("recsys-batch", "backfill", "--dataset", "sample", "--from", DAYS[0], "--to", DAYS[1]),
        *("--lake", shop.lake, "--landing", shop.landing, "--reversed"),
    )
    said = [line for line in ran.err.splitlines() if line.startswith(("day ", "passed over"))]
    assert [line.split()[0] for line in said] == ["day", "passed", "day", "passed"]
    assert said[0] == f"day {DAYS[1]} (1 of 2)"
    assert live in said[1]
    assert "train" not in ran.out
    assert (shop.live(), [shop.edge(each) for each in (live,)]) == (live, before)


def test_a_day_run_again_with_nothing_new_passes_over_what_is_sealed(shop):
    live, before = shop.live(), shop.edge(shop.live())
    ran = shop.run(DAYS[1])
    assert f"nothing has changed since {live} was sealed" in ran.err
    spent = ran.out.rpartition("seconds: ")[2]
    assert "validate" in spent
    assert "export" in spent
    assert not any(stage in spent for stage in ("features", "train", "recommend"))
    assert (shop.live(), shop.edge(live)) == (live, before)


def test_every_landed_row_is_accounted_for(shop, landing):
    landed = sum(
        len(path.read_text().splitlines()) - 1 for path in landing.rglob("*") if path.is_file()
    )
    batches = rows(shop, "silver", "batches")
    assert sum(row["landed"] for row in batches) == landed
    for row in batches:
        assert row["landed"] == row["accepted"] + row["quarantined"] + row["duplicate"]


def test_lists_are_full_distinct_falling_and_hold_nothing_bought(shop):
    live = shop.live()
    lists = rows(shop, "gold", "topn_user", publication_id=live)
    items = {row["item_id"] for row in rows(shop, "gold", "items", run_id=live, part="full")}
    seen: dict[str, set[str]] = {}
    for row in rows(shop, "gold", "interactions", run_id=live, part="full"):
        if row["seen"]:
            seen.setdefault(row["user_key"], set()).add(row["item_id"])
    assert len(lists) > 100
    assert len(lists) == len(rows(shop, "gold", "users", run_id=live, part="full"))
    for row in lists:
        ids = [item["item_id"] for item in row["items"]]
        bought = seen.get(row["user_key"], set())
        assert len(ids) == len(set(ids)) == min(100, len(items - bought))
        assert not bought & set(ids)
        order = [(-item["score"], item["item_id"]) for item in row["items"]]
        assert order == sorted(order)
        assert all(item["reason"] for item in row["items"])
        likely = [item["probability"] for item in row["items"] if item["probability"] is not None]
        assert likely == sorted(likely, reverse=True)


def test_the_same_day_again_changes_nothing(shop, spark):
    live = shop.live()
    before = shop.manifest(live), shop.edge(live), shop.exports(live)
    pointer, audit = (shop.home / "CURRENT").read_bytes(), (shop.home / "audit.jsonl").read_bytes()
    said: list[str] = []
    job = Job(
        settings=load_settings("sample"),
        lake=Lake(spark, shop.home),
        landing=shop.landing,
        day=dt.date.fromisoformat(DAYS[1]),
        now=dt.datetime.now(dt.UTC),
        say=said.append,
    )
    for stage in STAGES:
        importlib.import_module(f"jobs.{stage.name}").run(job)
    assert said[0].startswith("items: 0 new files, 0 landed")
    assert f"publication {live} is sealed; its lists came out the same" in said
    assert shop.live() == live
    assert (shop.manifest(live), shop.edge(live), shop.exports(live)) == before
    assert (shop.home / "CURRENT").read_bytes() == pointer
    assert (shop.home / "audit.jsonl").read_bytes() == audit


def test_another_lake_of_the_same_landing_and_key_is_equal(shop, landing, tmp_path):
    """Its first stage runs under spark-submit, the others in one session."""
    other = Shop(landing, tmp_path / "lake")
    job = must(
        "spark-submit",
        "jobs/ingest.py",
        *("--dataset", "sample", "--date", DAYS[1]),
        *("--landing", landing, "--lake", other.lake),
    )
    assert "events: 12 new files" in job.out
    other.run(DAYS[1], "--set", "spark.shuffle_partitions=3", "--set", "spark.master=local[1]")
    live = shop.live()
    assert other.live() == live
    assert other.manifest(live)["digests"] == shop.manifest(live)["digests"]
    assert other.manifest(live)["metrics"] == shop.manifest(live)["metrics"]
    assert other.edge(live) == shop.edge(live)
    verify_exports(other.home / "exports" / live)


def test_lists_are_of_the_pseudonyms_of_the_shops_users(shop):
    key = load_key(create=False)[0]
    lists = rows(shop, "gold", "topn_user", publication_id=shop.live())
    users = {key.user_key(f"u{number:06}") for number in range(1000)}
    assert {row["user_key"] for row in lists} <= users
