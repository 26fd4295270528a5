"""A lake remembers where its tables lie, and no two lakes share a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.objectstore import SECRET, Store
from recsys_batch.errors import LakeError
from recsys_batch.lake import s3
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.places import has_version, lake_folder, settle, table_path, tables_place
from recsys_batch.lake.s3 import S3Place

DECISION = {"run_id": "r", "passed": True, "reasons": ["a reason"]}


def refused(home: Path, address: str | None) -> str:
    with pytest.raises(LakeError) as caught:
        settle(home, address)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("bucket")
def test_a_lake_remembers_where_its_tables_lie(tmp_path: Path) -> None:
    assert tables_place(tmp_path) == tmp_path
    settle(tmp_path, None)
    assert list(tmp_path.iterdir()) == []
    for address in ("s3a://lake/a b/shop", None, "s3://lake/a b/shop/"):
        settle(tmp_path, address)
        assert tables_place(tmp_path) == S3Place("lake", "a b/shop")
    assert str(table_path(tmp_path, "decisions")) == "s3://lake/a b/shop/gold/decisions"
    assert read_rows(tmp_path, "decisions") == []
    for _ in range(2):
        replace_rows(tmp_path, "decisions", [DECISION], run_id="r")
        assert read_rows(tmp_path, "decisions", run_id="r") == [DECISION]
    assert has_version(table_path(tmp_path, "decisions"))
    assert [path.name for path in tmp_path.iterdir()] == ["tables.json"]
    said = refused(tmp_path, "s3://lake/elsewhere")
    assert "lie at s3://lake/a b/shop, not at s3://lake/elsewhere; correct lake.tables" in said


@pytest.mark.usefixtures("bucket")
def test_a_lake_on_the_disk_is_not_moved(tmp_path: Path) -> None:
    replace_rows(tmp_path, "decisions", [DECISION], run_id="r")
    assert f"lie at {tmp_path}, not at s3://lake/moved" in refused(tmp_path, "s3://lake/moved")
    assert read_rows(tmp_path, "decisions") == [DECISION]


@pytest.mark.usefixtures("bucket")
def test_no_two_lakes_share_a_place(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for home in (one, other):
        home.mkdir()
    settle(one, "s3://lake/shared")
    said = refused(other, "s3://lake/shared")
    assert "belong to the lake of another folder" in said
    assert "remove s3://lake/shared/lake.json" in said
    assert tables_place(other) == other
    settle(one, "s3://lake/shared")
    s3.client().delete_object(Bucket="lake", Key="shared/lake.json")
    settle(other, "s3://lake/shared")
    assert "belong to the lake of another folder" in refused(one, None)


@pytest.mark.usefixtures("bucket")
def test_a_kill_while_a_place_is_taken_does_not_lock_the_lake_out(tmp_path: Path) -> None:
    settle(tmp_path, "s3://lake/killed")
    (tmp_path / "tables.json").rename(tmp_path / ".tables.json")  # as before the last step
    assert tables_place(tmp_path) == tmp_path
    assert settle(tmp_path, "s3://lake/killed") == S3Place("lake", "killed")
    assert [path.name for path in tmp_path.iterdir()] == ["tables.json"]


def test_what_s3_says_is_one_sentence(bucket: Store, tmp_path: Path) -> None:
    said = refused(tmp_path, "s3://absent/x")
    assert said.startswith("s3://absent/x: S3 refuses with NoSuchBucket; correct the bucket's name")
    settle(tmp_path, "s3://lake/cut")
    replace_rows(tmp_path, "decisions", [DECISION], run_id="r")
    bucket.cut()
    try:
        told = "S3 cannot be reached ("
        assert f"s3://lake/cut: {told}" in refused(tmp_path, None)
        for act in (
            lambda: read_rows(tmp_path, "decisions"),
            lambda: replace_rows(tmp_path, "decisions", [], run_id="r"),
        ):
            with pytest.raises(LakeError, match=r"decisions: S3 cannot be reached .* AWS_ENDPOINT"):
                act()
    finally:
        bucket.mend()
    assert read_rows(tmp_path, "decisions") == [DECISION]


def test_an_address_is_no_folder(tmp_path: Path) -> None:
    assert lake_folder(str(tmp_path)) == tmp_path
    with pytest.raises(LakeError, match=r"s3://b/p: a lake is a folder.*lake\.tables"):
        lake_folder("s3://b/p")
