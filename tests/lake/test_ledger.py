"""Small tables: what is owned is replaced, by one commit, and Spark reads the same rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from recsys_batch.errors import LakeError
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.runs import Run, make_run, open_run, store_run
from recsys_batch.lake.store import Lake

DAY = dt.date(2026, 1, 31)


def decision(run: str, passed: bool, *reasons: str) -> dict[str, Any]:
    return {"run_id": run, "passed": passed, "reasons": list(reasons)}


def test_rows_are_replaced_by_what_owns_them(tmp_path: Path) -> None:
    assert read_rows(tmp_path, "decisions") == []
    replace_rows(tmp_path, "decisions", [decision("a", True, "one", "it's")], run_id="a")
    replace_rows(tmp_path, "decisions", [decision("b", False)], run_id="b")
    replace_rows(tmp_path, "decisions", [decision("a", False, "two")], run_id="a")
    rows = sorted(read_rows(tmp_path, "decisions"), key=lambda row: row["run_id"])
    assert rows == [decision("a", False, "two"), decision("b", False)]
    assert read_rows(tmp_path, "decisions", run_id="b", passed=False) == [decision("b", False)]
    assert read_rows(tmp_path, "decisions", run_id="c") == []
    replace_rows(tmp_path, "decisions", [], run_id="a")
    assert read_rows(tmp_path, "decisions") == [decision("b", False)]


def test_a_table_without_partitions_is_one_file_however_often_it_is_written(tmp_path: Path) -> None:
    for day in range(20):
        made = replace(run(), run_id=f"{day}", events=day)
        store_run(tmp_path, made)
        store_run(tmp_path, made)
    assert sorted(row["events"] for row in read_rows(tmp_path, "runs")) == list(range(20))
    assert len(DeltaTable(str(tmp_path / "gold" / "runs")).file_uris()) == 1
    replace_rows(tmp_path, "runs", [], run_id="3", horizon=1)
    replace_rows(tmp_path, "runs", [], run_id="4", horizon=2)
    assert sorted(row["events"] for row in read_rows(tmp_path, "runs")) == [0, 1, 2, *range(4, 20)]


def test_rows_whose_column_is_empty_belong_to_nobody(tmp_path: Path) -> None:
    replace_rows(tmp_path, "batches", [{"batch_seq": 1, "etag": "a"}, {"batch_seq": 1}])
    replace_rows(tmp_path, "batches", [{"batch_seq": 2}], batch_seq=1, etag="a")
    found = [(row["batch_seq"], row["etag"]) for row in read_rows(tmp_path, "batches")]
    assert sorted(found) == [(1, None), (2, None)]


@pytest.mark.spark
def test_spark_and_the_ledger_read_and_write_the_same_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, tmp_path)
    replace_rows(tmp_path, "decisions", [decision("a", True, "ä")], run_id="a")
    lake.replace("decisions", lake.read("decisions"), run_id="a")
    replace_rows(tmp_path, "decisions", [decision("b", True)], run_id="b")
    by_spark = {row["run_id"]: row.asDict() for row in lake.read("decisions").collect()}
    by_ledger = {row["run_id"]: row for row in read_rows(tmp_path, "decisions")}
    assert by_spark == by_ledger == {"a": decision("a", True, "ä"), "b": decision("b", True)}


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    home = tmp_path / "a lake, with ä {#} & 'more' in its name"
    for _ in range(2):
        replace_rows(home, "decisions", [decision("a", True)], run_id="a")
    assert read_rows(home, "decisions") == [decision("a", True)]
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


def test_a_folder_that_cannot_be_written_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "gold").write_text("a file where a folder belongs")
    with pytest.raises(LakeError, match=r"decisions: the table cannot be written"):
        replace_rows(tmp_path, "decisions", [decision("a", True)], run_id="a")


def run(**changed: Any) -> Run:
    given = {
        "dataset": "shop",
        "as_of": DAY,
        "horizon": 1,
        "events_digest": "e",
        "events": 10,
        "config_digest": "c",
        "code_version": "v",
        **changed,
    }
    return make_run(**given)


def test_a_run_is_named_by_day_data_settings_and_code_and_not_by_horizon() -> None:
    assert run().run_id.startswith("2026-01-31-")
    assert run().run_id == run(horizon=7).run_id
    others = [
        run(dataset="other"),
        run(as_of=DAY + dt.timedelta(days=1)),
        run(events_digest="f"),
        run(config_digest="d"),
        run(code_version="w"),
    ]
    assert len({each.run_id for each in [run(), *others]}) == 6


def test_the_last_run_of_a_day_with_these_settings_is_opened(tmp_path: Path) -> None:
    first, last = run(), run(horizon=2, events_digest="more")
    for each in (last, first, first, run(config_digest="d", horizon=9)):
        store_run(tmp_path, each)
    assert len(read_rows(tmp_path, "runs")) == 3
    assert open_run(tmp_path, as_of=DAY, config_digest="c", code_version="v") == last
    with pytest.raises(LakeError, match=r"no run of 2026-02-01 was opened .*validate"):
        open_run(tmp_path, as_of=DAY + dt.timedelta(days=1), config_digest="c", code_version="v")
