"""A day on a Spark standalone cluster leaves what it leaves in local mode, to the bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import psutil
import pytest
import yaml

from benchmarks.standalone import standalone
from e2e.sample import DAYS, PROJECT, Shop, must

pytestmark = [pytest.mark.spark, pytest.mark.slow]
TABLES = (
    *("silver/events", "bronze/quarantine", "gold/interactions", "gold/holdout", "gold/popularity"),
    *("gold/user_factors", "gold/item_factors", "gold/topn_user", "gold/topn_segment"),
)


def on_cluster(folder: Path, master: str) -> dict[str, str]:
    """The environment of commands whose overlay is the local one, but for the master."""
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    overlay = yaml.safe_load((conf / "local.yaml").read_text())
    overlay["spark"] |= {"master": master, "driver_memory": "1g"}
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


def rows(shop: Shop, table: str) -> list[str]:
    """The rows of a table, of the live run where runs have their own, as text and sorted."""
    frame = pl.scan_delta(str(shop.home / table)).collect()
    if table.startswith("gold/"):
        owner = "run_id" if "run_id" in frame.columns else "publication_id"
        frame = frame.filter(pl.col(owner) == shop.live())
    assert len(frame)
    return sorted(map(repr, frame.rows()))


def test_a_day_on_two_workers_equals_the_same_day_in_local_mode(shop, landing, tmp_path):
    """The workers' clocks are set to another time zone; nothing of the cluster is left running."""
    other = Shop(landing, tmp_path / "lake")
    options = ("--dataset", "sample", "--date", DAYS[1], "--landing", landing, "--lake", other.lake)
    before = machines()
    with standalone(tmp_path, workers=2, environment={"TZ": "Asia/Kolkata"}) as master:
        started = machines() - before
        assert len(started) == 3
        must("recsys-batch", "run", *options, **on_cluster(tmp_path, master))
        executors = [log for log in tmp_path.glob("worker-?/app-*/?/stderr") if log.stat().st_size]
        assert len({log.parts[-4] for log in executors}) == 2
    assert not any(each.is_running() for each in started)
    live = shop.live()
    assert other.live() == live
    for table in TABLES:
        assert rows(other, table) == rows(shop, table), table
    assert other.manifest(live)["digests"] == shop.manifest(live)["digests"]
    assert other.manifest(live)["metrics"] == shop.manifest(live)["metrics"]
    assert other.edge(live) == shop.edge(live)
