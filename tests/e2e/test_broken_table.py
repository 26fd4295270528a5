"""A table that broke after it was taken: its check stops the day, and what is live stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from recsys_batch.lake.ledger import read_rows

from .sample import DAYS, Shop, call

pytestmark = [pytest.mark.spark, pytest.mark.slow]
NEXT = "2026-01-13"


def test_a_failed_critical_expectation_stops_the_day_and_its_verdict_is_stored(
    shop: Shop, tmp_path: Path
) -> None:
    home = tmp_path / "lake" / "sample"
    shutil.copytree(shop.home, home)
    events = DeltaTable(home / "silver" / "events")
    broken = events.update(predicate=f"event_date = '{DAYS[-1]}'", updates={"item_id": "NULL"})
    assert broken["num_updated_rows"] > 0
    kept = ("runs", "publications", "decisions", "validations")
    before = {name: read_rows(home, name) for name in kept}
    live = (home / "CURRENT").read_bytes()

    common = ("--dataset", "sample", "--date", NEXT, "--lake", home.parent)
    ran = call("recsys-batch", "run", *common, "--landing", shop.landing)

    assert ran.status == 5, ran.err
    assert "expect_column_values_to_not_be_null" in ran.err
    assert "events.item_id" in ran.err
    assert (home / "CURRENT").read_bytes() == live
    after = {name: read_rows(home, name) for name in kept}
    known = {row["run_id"] for row in before["validations"]}
    verdict = [row for row in after.pop("validations") if row["run_id"] not in known]
    before.pop("validations")
    assert after == before
    assert {row["table"] for row in verdict} == {"events"}
    failed = [row for row in verdict if not row["success"] and row["severity"] == "critical"]
    assert [(row["expectation"], row["column"]) for row in failed] == [
        ("expect_column_values_to_not_be_null", "item_id")
    ]
    assert failed[0]["unexpected_count"] == broken["num_updated_rows"]
