"""The daily DAG for real: Airflow runs every stage on a small simulated shop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.sample import DAYS, Shop

from recsys_batch.pipeline import STAGES

from .airflow_home import PROJECT, AirflowHome, tail

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1500)]


def test_dags_test_publishes_the_day_that_the_command_line_does(
    tmp_path: Path, shop: Shop, make_airflow: Callable[..., AirflowHome]
) -> None:
    lake = tmp_path / "lake"
    airflow = make_airflow(
        PROJECT / "dags",
        RECSYS_BATCH_RETRIES="0",
    )
    conf = json.dumps({"dataset": "sample", "landing": str(shop.landing), "lake": str(lake)})
    pointer = lake / "sample" / "CURRENT"

    done = airflow.test(DAYS[1], conf, timeout=900)
    assert done.returncode == 0, tail(done.stdout)
    assert airflow.states() == {stage.name: ("success", 1) for stage in STAGES}
    published = json.loads(pointer.read_text())["current"]
    assert published == shop.live()
    assert Shop(shop.landing, lake).edge(published) == shop.edge(published)
