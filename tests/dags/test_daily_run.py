"""The daily DAG for real: Airflow runs every stage on a small simulated shop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_batch.pipeline import STAGES

from .airflow_home import PROJECT, AirflowHome, tail

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1500)]

DAY = "2026-01-12"  # the twelfth and last day simulated


KEY = "a key of the tests, 32 bytes long"


def recsys_batch(*arguments: object, **environment: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "recsys-batch"), *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    size = ("--users", "200", "--items", "150", "--days", "12", "--seed", "1")
    recsys_batch("simulate", "--preset", "shop", *size, "--out", tmp_path / "sample")
    return tmp_path / "sample" / "landing"


def test_dags_test_publishes_the_day_that_the_command_line_does(
    tmp_path: Path, landing: Path, make_airflow: Callable[..., AirflowHome]
) -> None:
    lake = tmp_path / "lake"
    airflow = make_airflow(
        PROJECT / "dags",
        RECSYS_BATCH_RETRIES="0",
        RECSYS_BATCH_PSEUDONYM_KEY=KEY,
    )
    conf = json.dumps({"dataset": "sample", "landing": str(landing), "lake": str(lake)})
    pointer = lake / "sample" / "CURRENT"

    done = airflow.test(DAY, conf, timeout=900)
    assert done.returncode == 0, tail(done.stdout)
    assert airflow.states() == {stage.name: ("success", 1) for stage in STAGES}
    published = json.loads(pointer.read_text())["current"]
    folder = lake / "sample" / "edge" / published
    edge = {path.name: path.read_bytes() for path in folder.iterdir()}

    recsys_batch(
        *("run", "--dataset", "sample", "--date", DAY, "--landing", landing, "--lake", lake),
        RECSYS_BATCH_PSEUDONYM_KEY=KEY,
    )
    assert json.loads(pointer.read_text())["current"] == published
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == edge
