"""A day on a Spark standalone cluster leaves what it leaves in local mode, to the bit."""

from __future__ import annotations

import os
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


def rows(shop: Shop, table: str) -> list[str]:
    """The rows of a table that belong to the run which is live, in an order of their own."""
    frame = pl.scan_delta(str(shop.home / table)).collect()
    for owner in ("run_id", "publication_id"):
        if owner in frame.columns:
            frame = frame.filter(pl.col(owner) == shop.live())
    return sorted(map(repr, frame.sort(frame.columns[:1]).rows()))


def test_a_day_on_two_workers_equals_the_same_day_in_local_mode(shop, landing, tmp_path):
    """The workers' clocks are set to another time zone."""
    other = Shop(landing, tmp_path / "lake")
    options = ("--dataset", "sample", "--date", DAYS[1], "--landing", landing, "--lake", other.lake)
    with standalone(tmp_path, workers=2, environment={"TZ": "Asia/Kolkata"}) as master:
        must("recsys-batch", "run", *options, **on_cluster(tmp_path, master))
        executors = [log for log in tmp_path.glob("worker-?/app-*/?/stderr") if log.stat().st_size]
        assert len({log.parts[-4] for log in executors}) == 2
    live = shop.live()
    assert other.live() == live
    for table in TABLES:
        assert rows(other, table) == rows(shop, table), table
    assert other.manifest(live)["digests"] == shop.manifest(live)["digests"]
    assert other.manifest(live)["metrics"] == shop.manifest(live)["metrics"]
    assert other.edge(live) == shop.edge(live)


def test_nothing_of_a_cluster_is_left_running(tmp_path):
    with standalone(tmp_path, workers=1):
        started = [each for each in psutil.process_iter() if _below(each, tmp_path)]
        assert started
    assert not [each for each in started if each.is_running()]


def _below(process: psutil.Process, folder: Path) -> bool:
    """Whether a process of ours works for the cluster whose files lie in a folder."""
    try:
        return process.uids().real == os.getuid() and str(folder) in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
