"""A day on a Spark standalone cluster leaves what it leaves in local mode, to the bit.

Once with the tables on the disk that all see, once with them in S3.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import polars as pl
import psutil
import pytest
import yaml

from benchmarks.objectstore import Store, store
from benchmarks.standalone import standalone
from e2e.sample import DAYS, PROJECT, Shop, call, must

pytestmark = [pytest.mark.spark, pytest.mark.slow]
TABLES = (
    *("silver/events", "bronze/quarantine", "gold/interactions", "gold/holdout", "gold/popularity"),
    *("gold/user_factors", "gold/item_factors", "gold/topn_user", "gold/topn_segment"),
)
BUCKET = "s3://lake/all"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("s3")) as made:
        made.bucket("lake")
        yield made


@pytest.fixture(scope="module")
def cluster(s3: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The master's address and the folder of the logs; the workers' clocks are elsewhere.

    Nothing of it is left running.
    """
    folder, before = tmp_path_factory.mktemp("cluster"), machines()
    environment = {"TZ": "Asia/Kolkata", **s3.environment}
    with standalone(folder, workers=2, environment=environment) as master:
        started = machines() - before
        assert len(started) == 3
        yield master, folder
    assert not any(each.is_running() for each in started)


def on_cluster(folder: Path, master: str, tables: str | None = None) -> dict[str, str]:
    """The environment of commands whose overlay is the local one, but for master and tables."""
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    overlay = yaml.safe_load((conf / "local.yaml").read_text())
    overlay["spark"] |= {"master": master, "driver_memory": "1g"}
    overlay["lake"] = {"tables": tables}
    (conf / "loopback.yaml").write_text(yaml.safe_dump(overlay))
    return {
        "RECSYS_BATCH_CONF": str(conf),
        "RECSYS_BATCH_ENV": "loopback",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def machines() -> set[psutil.Process]:
    """The Java machines that were started from here."""
    found = psutil.Process().children(recursive=True)
    return {each for each in found if each.name() == "java"}


def executors(folder: Path) -> set[Path]:
    """Logs of executors that have run."""
    return {log for log in folder.glob("worker-?/app-*/?/stderr") if log.stat().st_size}


def rows(shop: Shop, table: str, place: object, options: dict[str, str] | None = None) -> list[str]:
    """The rows of a table, of the live run where runs have their own, as text and sorted."""
    frame = pl.scan_delta(f"{place}/{table}", storage_options=options).collect()
    if table.startswith("gold/"):
        owner = "run_id" if "run_id" in frame.columns else "publication_id"
        frame = frame.filter(pl.col(owner) == shop.live())
    assert len(frame)
    return sorted(map(repr, frame.rows()))


def require_same(other: Shop, shop: Shop) -> None:
    """What is live in two lakes is the same: manifest, metrics, edge store."""
    live = shop.live()
    assert other.live() == live
    assert other.manifest(live)["digests"] == shop.manifest(live)["digests"]
    assert other.manifest(live)["metrics"] == shop.manifest(live)["metrics"]
    assert other.edge(live) == shop.edge(live)


def test_a_day_on_two_workers_equals_the_same_day_in_local_mode(shop, landing, cluster, tmp_path):
    other, (master, logs) = Shop(landing, tmp_path / "lake"), cluster
    options = ("--dataset", "sample", "--date", DAYS[1], "--landing", landing, "--lake", other.lake)
    before = executors(logs)
    must("recsys-batch", "run", *options, **on_cluster(tmp_path, master))
    assert len({log.parts[-4] for log in executors(logs) - before}) == 2
    for table in TABLES:
        assert rows(other, table, other.home) == rows(shop, table, shop.home), table
    require_same(other, shop)


def test_a_day_with_its_tables_in_s3_equals_the_same_day_on_a_disk(
    shop, landing, cluster, s3, tmp_path, monkeypatch
):
    """No table is on the disk, and where they lie need be said once: the lake remembers."""
    other, (master, logs) = Shop(landing, tmp_path / "lake"), cluster
    options = ("--dataset", "sample", "--date", DAYS[1], "--landing", landing, "--lake", other.lake)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    before = executors(logs)
    must("recsys-batch", "run", *options, **on_cluster(tmp_path, master, BUCKET))
    assert len({log.parts[-4] for log in executors(logs) - before}) == 2
    access = {"aws_endpoint_url": s3.environment["AWS_ENDPOINT_URL"], "allow_http": "true"}
    for table in TABLES:
        found = rows(other, table, f"{BUCKET}/sample", access)
        assert found == rows(shop, table, shop.home), table
    assert not list(other.home.rglob("_delta_log"))
    require_same(other, shop)
    again = must("recsys-batch", "run", *options)  # in local mode, of the same tables
    assert "nothing has changed since" in again.err
    s3.cut()
    refused = call("recsys-batch", "run", *options)
    assert refused.status == 7
    assert f"{BUCKET}/sample: S3 cannot be reached" in refused.err
    s3.mend()
    assert other.live() == shop.live()
    held = boto3.client("s3").list_objects_v2(Bucket="lake", Prefix="all/sample/gold/topn_user/")
    assert not [each for each in held["Contents"] if "_temporary" in each["Key"]]
