"""The fixture that sets an Airflow up as docs/airflow.md says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .airflow_home import AirflowHome, tail


@pytest.fixture
def make_airflow(tmp_path: Path) -> Callable[..., AirflowHome]:
    """Return a function that sets an Airflow up as docs/airflow.md says."""

    def make(dags: Path, **extra: str) -> AirflowHome:
        home = tmp_path / "airflow"
        home.mkdir()
        airflow = AirflowHome(home=home, dags=dags, extra=extra)
        for command in (
            ("db", "migrate"),
            ("pools", "set", "recsys_lake_writer", "1", "one writer of the lake at a time"),
        ):
            done = airflow.run(*command, timeout=120)
            assert done.returncode == 0, tail(done.stdout)
        return airflow

    return make
