"""Writes replace what they own, survive kills, and say what is wrong with a lake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from recsys_batch.errors import LakeError
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake, predicate, write_lock
from recsys_batch.lake.tables import TABLES

RUN = {"run_id": "it's a \\ run", "part": "full"}


def popular(spark: SparkSession, *rows: tuple[str | None, str, float], **owned: str) -> DataFrame:
    given = {**RUN, **owned}
    full = [(given["run_id"], given["part"], *row) for row in rows]
    return spark.createDataFrame(full, TABLES["popularity"].ddl)


def found(lake: Lake, **equal: object) -> list[tuple[str, str]]:
    rows = lake.read("popularity", **equal).collect()
    return sorted((row["part"], row["item_id"]) for row in rows)


@pytest.mark.spark
def test_a_write_replaces_what_it_owns_and_no_more(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path / "a lake, ä {#} in its name")
    assert found(lake) == []
    assert lake.version("popularity") == -1
    lake.replace("popularity", popular(spark, (None, "a", 1.0), ("r", "b", 2.0)), **RUN)
    train = {**RUN, "part": "train"}
    lake.replace("popularity", popular(spark, (None, "c", 1.0), part="train"), **train)
    for _ in range(2):
        lake.replace("popularity", popular(spark, (None, "d", 4.0)), **RUN)
        assert found(lake) == [("full", "d"), ("train", "c")]
    assert found(lake, part="train", run_id=RUN["run_id"]) == [("train", "c")]
    lake.replace("popularity", popular(spark), **train)
    assert found(lake) == [("full", "d")]
    lake.append("popularity", popular(spark, (None, "e", 1.0)))
    lake.delete("popularity", run_id="another")
    assert found(lake) == [("full", "d"), ("full", "e")]
    lake.delete("popularity", **RUN)
    assert found(lake) == []


@pytest.mark.spark
def test_files_of_earlier_batches_are_not_opened(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path)
    for batch in (1, 2):
        row = spark.range(1).selectExpr(f"'i{batch}' AS item_id", f"{batch} AS batch_seq")
        lake.append("catalogue", row.selectExpr(*_columns_of("catalogue", row)))
    files = list(Path(lake.path("catalogue")).glob("*.parquet"))
    assert lake.holds("catalogue", after=1)
    assert not lake.holds("catalogue", after=2)
    (first,) = (path for path in files if pq.read_table(path)["batch_seq"].to_pylist() == [1])
    first.unlink()
    assert [row["item_id"] for row in lake.read("catalogue", after=1).collect()] == ["i2"]


def _columns_of(name: str, given: DataFrame) -> list[str]:
    """Columns of a table, null where the frame given lacks them."""
    return [
        each if each in given.columns else f"CAST(NULL AS {kind}) AS {each}"
        for each, kind, _ in TABLES[name].columns
    ]


@pytest.mark.spark
def test_rows_outside_what_a_write_owns_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path)
    lake.replace("popularity", popular(spark, (None, "a", 1.0)), **RUN)
    stray = popular(spark, (None, "b", 1.0), part="train")
    with pytest.raises(Exception, match=r"(?i)replaceWhere|constraint|match"):
        lake.replace("popularity", stray, **RUN)
    assert found(lake) == [("full", "a")]


@pytest.mark.spark
def test_the_log_names_no_value_of_a_column(spark: SparkSession, tmp_path: Path) -> None:
    """Statistics would hold the least and greatest ids of each file."""
    lake = Lake(spark, tmp_path)
    lake.replace("popularity", popular(spark, (None, "secret item", 1.0)), **RUN)
    logs = [path.read_text() for path in (tmp_path / "gold/popularity/_delta_log").glob("*.json")]
    actions = [json.loads(line) for log in logs for line in log.splitlines()]
    added = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    assert added
    assert all(not stats.get("minValues") for stats in added)
    assert not any("secret item" in log for log in logs)


@pytest.mark.spark
def test_a_kill_in_the_first_write_leaves_a_lake_that_works(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The first version is committed before the first data file; what a kill leaves is no row."""
    lake = Lake(spark, tmp_path)
    lake.append("popularity", popular(spark))
    folder = Path(lake.path("popularity"))
    popular(spark, (None, "orphan", 1.0)).coalesce(1).write.parquet(str(tmp_path / "data"))
    (orphan,) = (tmp_path / "data").glob("*.parquet")
    orphan.rename(folder / "orphan.parquet")
    (folder / "_delta_log" / ".00000000000000000001.json.0a1b.tmp").write_text('{"add":')
    lake.replace("popularity", popular(spark, (None, "a", 1.0)), **RUN)
    assert found(lake) == [("full", "a")]


@pytest.mark.spark
def test_an_empty_log_folder_is_a_table_not_yet_made(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, tmp_path)
    for name in ("popularity", "batches"):
        (Path(lake.path(name)) / "_delta_log").mkdir(parents=True)
        assert not lake.exists(name)
        lake.delete(name, run_id="x")
    assert found(lake) == []
    assert read_rows(tmp_path, "batches") == []


@pytest.mark.spark
def test_data_without_a_log_and_garbled_logs_are_lake_errors(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, tmp_path)
    lost = Path(lake.path("popularity"))
    lost.mkdir(parents=True)
    (lost / "part-0.parquet").write_bytes(b"PAR1")
    for act in (
        lambda: lake.read("popularity"),
        lambda: lake.append("popularity", popular(spark, (None, "a", 1.0))),
    ):
        with pytest.raises(LakeError, match=r"popularity: data files without a Delta log; restore"):
            act()
    for name in ("items", "batches"):
        log = Path(lake.path(name)) / "_delta_log"
        log.mkdir(parents=True)
        (log / f"{0:020}.json").write_text("garbled\n")
    with pytest.raises(LakeError, match=r"items: the table cannot be read"):
        lake.read("items")
    with pytest.raises(LakeError, match=r"batches: the table cannot be read"):
        read_rows(tmp_path, "batches")


def test_predicates_quote_their_values() -> None:
    assert predicate({"a": 1, "b": True, "c": "it's"}) == "a = 1 AND b = true AND c = 'it''s'"


HOLD = """
import sys
from pathlib import Path
from recsys_batch.lake.store import write_lock
with write_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_writes_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    home = tmp_path / "shop"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(LakeError, match=rf"locked by process {holder.pid}; wait until"),
        write_lock(home),
    ):
        pass
    holder.kill()
    holder.wait()
    for _ in range(2):
        with write_lock(home):
            assert (home / ".lock").read_text() == str(os.getpid())


@pytest.mark.parametrize("name", ["a%20b", "a[b]", "a^b", "a|b"])
def test_a_lake_below_a_name_that_is_no_address_is_refused(tmp_path: Path, name: str) -> None:
    """Spark and deltalake would look for its tables in two places, or not at all."""
    with (
        pytest.raises(LakeError, match=r"cannot lie below a folder with [%^|\[\] ]+ in its name"),
        write_lock(tmp_path / name / "shop"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lake_where_a_file_lies_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LakeError, match=r"the lake cannot be written .*--lake DIR"),
        write_lock(tmp_path / "file" / "shop"),
    ):
        pass
