"""Plain exports: whole or absent, checked by checksums, and readable without Spark."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from recsys_batch.errors import PublicationError
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES
from recsys_batch.publish.exports import (
    MANIFEST,
    copy_exports,
    export_folder,
    verify_exports,
    write_exports,
)

DETAILS = {"publication_id": "p1", "digests": {"topn_user": "abc"}}
LISTED = [
    ("a", 1.5, "als", "because", [1.0, 0.5], 1.0, 0.125),
    ("b", 0.5, "x", None, [0.5], 0.25, None),
]
FIELDS = ("item_id", "score", "source", "reason", "parts", "propensity", "probability")
ROWS = [
    ("p1", user, region, LISTED, "p0")
    for user, region in zip(("u1", "u2", "ü"), ("north", "north", None), strict=True)
]
SCHEMA = TABLES["topn_user"].ddl


@pytest.fixture(scope="module")
def written(spark, tmp_path_factory) -> Path:
    """An export of one table, and the Delta table that it came from, in one home."""
    home = tmp_path_factory.mktemp("lake") / "shop"
    lake = Lake(spark, home)
    frame = spark.createDataFrame(ROWS, SCHEMA)
    lake.replace("topn_user", frame, publication_id="p1")
    folder = export_folder(home, "p1")
    folder.parent.mkdir()
    (folder.parent / ".p1.building-1" / "x.parquet").mkdir(parents=True)  # of a killed export
    write_exports(folder, {"topn_user": frame.orderBy("user_key").coalesce(1)}, details=DETAILS)
    return folder


def plain(written: Path, to: Path) -> Path:
    """A copy that a test may damage."""
    copy_exports(written, to)
    return to


@pytest.mark.spark
def test_the_folder_holds_plain_files_and_a_manifest_and_nothing_else(written):
    names = [path.relative_to(written).as_posix() for path in sorted(written.rglob("*"))]
    assert names == [
        MANIFEST,
        "topn_user.jsonl",
        "topn_user.jsonl/00000.jsonl",
        "topn_user.parquet",
        "topn_user.parquet/00000.parquet",
    ]
    manifest = json.loads((written / MANIFEST).read_text())
    assert manifest | DETAILS == manifest
    assert {name: each["bytes"] for name, each in manifest["files"].items()} == {
        name: (written / name).stat().st_size
        for name in ("topn_user.jsonl/00000.jsonl", "topn_user.parquet/00000.parquet")
    }
    assert [path.name for path in written.parent.iterdir()] == ["p1"]


@pytest.mark.spark
def test_readers_without_spark_agree(written):
    wanted = [
        {
            "publication_id": "p1",
            "user_key": user,
            "region": region,
            "items": [dict(zip(FIELDS, item, strict=True)) for item in items],
            "ranked_in": ranked_in,
        }
        for _, user, region, items, ranked_in in ROWS
    ]
    assert pq.read_table(written / "topn_user.parquet").to_pylist() == wanted
    assert pl.read_parquet(written / "topn_user.parquet" / "*.parquet").to_dicts() == wanted
    table = DeltaTable(str(written.parent.parent / "gold" / "topn_user"))
    rows = pa.table(table.scan(columns=list(wanted[0]))).to_pylist()
    assert sorted(rows, key=lambda row: row["user_key"]) == wanted
    lines = (written / "topn_user.jsonl" / "00000.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert [(row["user_key"], row.get("region")) for row in found] == [
        ("u1", "north"),
        ("u2", "north"),
        ("ü", None),
    ]
    assert [item["item_id"] for item in found[0]["items"]] == ["a", "b"]


@pytest.mark.spark
def test_writing_again_verifies_and_changes_nothing(written, spark):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    other = spark.createDataFrame([], SCHEMA)
    again = write_exports(written, {"topn_user": other}, details={})
    assert again == json.loads((written / MANIFEST).read_text())
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


@pytest.mark.spark
def test_a_folder_without_manifest_is_written_anew(written, spark, tmp_path):
    folder = tmp_path / "p1"
    (folder / "topn_user.parquet").mkdir(parents=True)
    (folder / "topn_user.parquet" / "00000.parquet").write_bytes(b"half")
    frame = spark.createDataFrame(ROWS, SCHEMA).orderBy("user_key").coalesce(1)
    manifest = write_exports(folder, {"topn_user": frame}, details=DETAILS)
    assert verify_exports(folder) == manifest
    assert manifest["files"] == verify_exports(written)["files"]  # byte for byte


@pytest.mark.spark
@pytest.mark.parametrize("name", ["topn_user.jsonl/00000.jsonl", "topn_user.parquet/00000.parquet"])
def test_a_changed_or_missing_file_is_found(written, tmp_path, name):
    folder = plain(written, tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(PublicationError, match=rf"{name}: the file is missing or differs"):
        verify_exports(folder)
    (folder / name).unlink()
    with pytest.raises(PublicationError, match=rf"{name}: the file is missing or differs"):
        write_exports(folder, {}, details={})


@pytest.mark.spark
@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_a_missing_or_cut_manifest_is_found(written, tmp_path, content):
    folder = plain(written, tmp_path / "copy")
    (folder / MANIFEST).unlink()
    if content is not None:
        (folder / MANIFEST).write_bytes(content)
    with pytest.raises(PublicationError, match="no readable manifest; remove the folder"):
        verify_exports(folder)


@pytest.mark.spark
def test_a_copy_is_whole_and_may_be_repeated(written, tmp_path):
    to = tmp_path / "new" / "folder"
    manifest = copy_exports(written, to)
    assert verify_exports(to) == manifest == verify_exports(written)
    assert copy_exports(written, to) == manifest
    (tmp_path / "empty").mkdir()
    assert copy_exports(written, tmp_path / "empty") == manifest
    assert [path.name for path in to.parent.iterdir()] == ["folder"]


@pytest.mark.spark
def test_a_copy_replaces_no_file_of_others(written, tmp_path):
    (tmp_path / "mine").write_text("text")
    with pytest.raises(PublicationError, match="holds other files; name a new or an empty"):
        copy_exports(written, tmp_path)
    with pytest.raises(PublicationError, match=r"mine: the export cannot be copied there"):
        copy_exports(written, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.spark
def test_a_damaged_export_is_not_copied(written, tmp_path):
    folder = plain(written, tmp_path / "damaged")
    (folder / "topn_user.jsonl" / "00000.jsonl").write_text("")
    with pytest.raises(PublicationError, match="missing or differs"):
        copy_exports(folder, tmp_path / "to")
    assert not (tmp_path / "to").exists()
