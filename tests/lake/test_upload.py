"""Frames in S3: the rows are those of a lake on the disk, and only whole tasks' files count."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from benchmarks.objectstore import SECRET, Store
from recsys_batch.errors import LakeError, StageError
from recsys_batch.lake import upload
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.failures import stage_failure
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.places import settle, table_path
from recsys_batch.lake.s3 import S3Place, client, keys_below
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES
from recsys_batch.lake.upload import UPLOADED, upload_frame
from recsys_batch.lake.vacuum import Vacuumed, vacuum
from recsys_batch.setup.jars import require_s3_jars

RUN = {"run_id": "it's a \\ run, 50 %", "part": "full"}
DDL = TABLES["popularity"].ddl


@pytest.fixture
def lake(
    spark: SparkSession, bucket: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    """A lake with its tables in S3.

    Spark has the environment that it began with, which was before the server.
    """
    require_s3_jars()
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.s3a.access.key", bucket.environment["AWS_ACCESS_KEY_ID"])
    hadoop.set("fs.s3a.secret.key", SECRET)
    for name, value in bucket.environment.items():
        monkeypatch.setitem(spark.sparkContext.environment, name, value)
    home = tmp_path / "far"
    home.mkdir()
    settle(home, f"s3://lake/{tmp_path.name}, ä")
    return Lake(spark, home)


def popular(spark: SparkSession, *rows: tuple[str | None, str, float], **owned: str) -> DataFrame:
    named = {**RUN, **owned}
    full = [(named["run_id"], named["part"], *row) for row in rows]
    return spark.createDataFrame(full, DDL).coalesce(1)  # a file a partition of the table


def found(lake: Lake, **equal: object) -> list[tuple[str, str]]:
    rows = lake.read("popularity", **equal).collect()
    return sorted((row["part"], row["item_id"]) for row in rows)


@pytest.mark.spark
def test_writes_replace_what_they_own_as_on_a_disk(lake: Lake, tmp_path: Path) -> None:
    spark, train = lake.spark, {**RUN, "part": "train"}
    assert found(lake) == []
    assert lake.version("popularity") == -1
    lake.replace("popularity", popular(spark, (None, "a", 1.0), ("r", "b", 2.0)), **RUN)
    lake.replace("popularity", popular(spark, (None, "c", 1.0), part="train"), **train)
    for _ in range(2):
        lake.replace("popularity", popular(spark, (None, "d", 4.0)), **RUN)
        assert found(lake) == [("full", "d"), ("train", "c")]
    assert found(lake, **train) == [("train", "c")]
    with pytest.raises(ValueError, match="does not match what it replaces"):
        lake.replace("popularity", popular(spark, (None, "x", 1.0)), **train)
    lake.append("popularity", popular(spark, (None, "e", 1.0)))
    lake.delete("popularity", **train)
    assert found(lake) == [("full", "d"), ("full", "e")]
    assert len(read_rows(lake.home, "popularity", **RUN)) == 2
    assert [path.name for path in lake.home.iterdir()] == ["tables.json"]
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    assert vacuum(lake.home, keep_hours=1, now=now) == ()
    assert vacuum(lake.home, keep_hours=0, now=now) == (Vacuumed("popularity", 4, 0),)
    assert found(lake) == [("full", "d"), ("full", "e")]
    named = keys_below(
        S3Place("lake", f"{tmp_path.name}, ä/gold/popularity/run_id={RUN['run_id']}")
    )
    assert named == []  # the folder's name is escaped, as on a disk


@pytest.mark.spark
def test_every_type_comes_back_as_from_a_disk(lake: Lake, tmp_path: Path) -> None:
    """Lists, structs, dates, instants, floats and nulls; in two files of three partitions."""
    near, spark = Lake(lake.spark, tmp_path / "near"), lake.spark
    lists = spark.range(50, numPartitions=2).selectExpr(
        "concat('2026-01-0', 1 + id % 3) AS publication_id",
        "concat('u', id) AS user_key",
        "IF(id % 2 = 0, NULL, 'R') AS region",
        """transform(sequence(0, id % 4), n -> named_struct('item_id', concat('i', n), 'score',
          float(n / 3), 'source', NULL, 'reason', 'é', 'parts', array(float(0.1), NULL),
          'propensity', NULL, 'probability', float(n))) AS items""",
        "'2026-01-01' AS ranked_in",
    )
    events = spark.range(9).selectExpr(
        "CAST(IF(id < 3, '2026-01-30', '1969-12-31') AS DATE) AS event_date",
        "timestamp_micros(id * 1000001 - 3) AS event_time",
        "concat('e', id) AS event_id",
        "1 + id % 2 AS batch_seq",
    )
    filled = events.selectExpr(
        *(
            each if each in events.columns else f"CAST(NULL AS {kind}) AS {each}"
            for each, kind, _ in TABLES["events"].columns
        )
    )
    for name, frame in (("topn_user", lists), ("events", filled)):
        for place in (near, lake):
            place.append(name, frame)
        assert frame_digest(lake.read(name)) == frame_digest(near.read(name))
        assert lake.read(name).schema == near.read(name).schema
        assert sorted(map(str, read_rows(lake.home, name))) == sorted(
            map(str, read_rows(near.home, name))
        )
    day = dt.date(2026, 1, 30)
    assert lake.read("events", event_date=day).count() == 3
    assert lake.holds("events", after=1)
    assert not lake.holds("events", after=2)
    assert lake.read("events", after=1).count() == near.read("events", after=1).count()


@pytest.mark.spark
def test_files_of_a_write_that_failed_are_not_committed(lake: Lake) -> None:
    """One task has put its file when another dies; done again, there is one of each row."""
    place, mark = table_path(lake.home, "popularity"), lake.home / "died"
    assert isinstance(place, S3Place)
    lake.append("popularity", popular(lake.spark))

    def dies_once(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:  # in a worker, which does not know this module
            if "i1" in batch.column("item_id").to_pylist() and not mark.exists():
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    if any(key.endswith(".parquet") for key in keys_below(place)):
                        break
                    time.sleep(0.1)
                mark.touch()
                raise ValueError("the task dies")
            yield batch

    rows = lake.spark.range(2, numPartitions=2).selectExpr(
        "'r' AS run_id",
        "'full' AS part",
        "'R' AS segment",
        "concat('i', id) AS item_id",
        "1D AS score",
    )
    with pytest.raises(Exception, match="the task dies"):
        lake.append("popularity", rows.mapInArrow(dies_once, DDL))
    assert files_at(place) == 1
    assert lake.version("popularity") == 0
    assert found(lake) == []
    lake.append("popularity", rows.mapInArrow(dies_once, DDL))
    assert files_at(place) == 3
    assert found(lake) == [("full", "i0"), ("full", "i1")]


def files_at(place: S3Place) -> int:
    return sum(key.endswith(".parquet") for key in keys_below(place))


@pytest.mark.spark
def test_a_store_out_of_reach_is_told_and_leaves_nothing(lake: Lake, bucket: Store) -> None:
    spark = lake.spark
    lake.replace("popularity", popular(spark, (None, "a", 1.0)), **RUN)
    at, further = lake.version("popularity"), popular(spark, (None, "b", 1.0))
    reading, before = lake.read("popularity"), UPLOADED.bytes
    assert before
    bucket.cut()
    try:
        with pytest.raises(LakeError, match="S3 cannot be reached"):
            lake.append("popularity", further)
        place = table_path(lake.home, "popularity")
        assert isinstance(place, S3Place)
        for act, said in (
            (lambda: upload_frame(further, place, TABLES["popularity"]), "cannot be reached"),
            (reading.collect, "see that the object store answers"),
        ):
            with pytest.raises(StageError, match=said) as caught:
                failed_as_a_stage(act)
            assert "\n" not in str(caught.value)
            assert SECRET not in str(caught.value)
    finally:
        bucket.mend()
    assert lake.version("popularity") == at
    assert UPLOADED.bytes == before
    assert found(lake) == [("full", "a")]
    lake.append("popularity", further)
    assert found(lake) == [("full", "a"), ("full", "b")]


def failed_as_a_stage(act: object) -> None:
    """Do it, and raise what a stage makes of its failure."""
    assert callable(act)
    try:
        act()
    except Exception as error:
        told = stage_failure(error, where="stage x")
        assert told is not None
        raise told from error


VALUES = st.one_of(st.none(), st.text(min_size=1, max_size=3), st.sampled_from(["=/%:", "é #?"]))


FIXED = [HealthCheck.function_scoped_fixture]


@settings(suppress_health_check=FIXED, max_examples=20, deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(0, 9)), max_size=30), st.integers(1, 7))
@pytest.mark.usefixtures("bucket")
def test_no_row_is_lost_whatever_its_partition(
    monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str | None, int]], size: int
) -> None:
    """Files end where a partition does or where they are large, and hold their rows alone."""
    monkeypatch.setattr(upload, "_GROUP", 64)
    monkeypatch.setattr(upload, "_FILE", 600)
    rows.sort(key=lambda row: (row[0] is None, row[0] or ""))
    schema = pa.schema([("part", pa.string()), ("n", pa.int64())])
    whole = pa.table({"part": [r[0] for r in rows], "n": [r[1] for r in rows]}, schema=schema)
    told = upload._put_all(
        iter(whole.to_batches(max_chunksize=size)),
        place=S3Place("lake", "rows"),
        folders=("part",),
        names=("n",),
    )
    files = [row for batch in told for row in batch.to_pylist()]
    assert sorted(_rows_of(files)) == sorted((str(value), n) for value, n in rows)
    assert len({file["path"] for file in files}) == len(files)


def _rows_of(files: list[dict[str, str]]) -> list[tuple[str, int]]:
    import io
    import json

    import pyarrow.parquet as pq

    rows: list[tuple[str, int]] = []
    for file in files:
        body = client().get_object(Bucket="lake", Key=f"rows/{file['path']}")["Body"].read()
        held = pq.read_table(io.BytesIO(body))["n"].to_pylist()
        facts, values = json.loads(file["statistics"]), json.loads(file["folders"])
        assert facts["numRecords"] == len(held)
        assert (facts["minValues"]["n"], facts["maxValues"]["n"]) == (min(held), max(held))
        assert file["size"] == len(body)
        rows += [(str(values["part"]), n) for n in held]
    return rows
