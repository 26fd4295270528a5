"""The daily DAG for real: Airflow runs every stage on a small simulated shop, twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_batch.pipeline import STAGES

from .airflow_home import PROJECT, AirflowHome, tail

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1500)]

DAY = "2026-01-12"  # the twelfth and last day simulated


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "recsys-batch"), "simulate", "--preset", "shop"),
            *("--users", "200", "--items", "150", "--days", "12", "--seed", "1"),
            *("--out", str(tmp_path / "sample")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return tmp_path / "sample" / "landing"


def test_dags_test_publishes_the_day_and_again_the_same(
    tmp_path: Path, landing: Path, make_airflow: Callable[..., AirflowHome]
) -> None:
    lake = tmp_path / "lake"
    airflow = make_airflow(
        PROJECT / "dags",
        RECSYS_BATCH_RETRIES="0",
        RECSYS_BATCH_PSEUDONYM_KEY="a key of the tests, 32 bytes long",
    )
    conf = json.dumps({"dataset": "sample", "landing": str(landing), "lake": str(lake)})
    pointer = lake / "sample" / "CURRENT"

    published = []
    for _ in range(2):
        done = airflow.test(DAY, conf, timeout=600)
        assert done.returncode == 0, tail(done.stdout)
        assert airflow.states() == {stage.name: ("success", 1) for stage in STAGES}
        published.append(json.loads(pointer.read_text())["current"])
    assert published[0] == published[1]
