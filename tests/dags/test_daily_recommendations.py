"""What the DAG is: read from a fresh interpreter, without a database or a scheduler."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recsys_batch.config import SparkSettings
from recsys_batch.lake.session import java_options
from recsys_batch.pipeline import STAGES

from .airflow_home import PROJECT, clean_environment

pytestmark = pytest.mark.airflow

BIN = Path(sys.executable).parent
DATASET = """
dataset:
  name: NAME
  events: {pattern: "*.csv", types: [{type: purchase}], time: t, fields: {item_id: i}}
  weights: {purchase: 1}
"""

# day parameter, logical date, earliest start -> the day processed
DAYS = (
    (None, "2026-01-30T02:00:00+00:00", "2026-01-31T02:00:00+00:00", "2026-01-30"),  # scheduled
    (None, "2026-01-30T00:00:00+00:00", "2026-03-09T11:00:00+00:00", "2026-01-30"),  # dags test
    (None, None, "2026-01-31T11:00:00+00:00", "2026-01-30"),  # triggered without a date
    (None, "2026-01-31T11:00:00+00:00", "2026-01-31T11:00:00+00:00", "2026-01-30"),  # "now"
    (None, None, "2026-03-01T00:00:00+00:00", "2026-02-28"),
    ("2025-12-31", "2026-01-30T00:00:00+00:00", "2026-01-30T00:00:00+00:00", "2025-12-31"),
)


def write_conf(folder: Path) -> Path:
    """A configuration of two data sets that no project file can change."""
    (folder / "datasets").mkdir(parents=True)
    for name in ("base", "local"):
        (folder / f"{name}.yaml").write_text("spark: {master: 'local[3]', driver_memory: 5g}\n")
    for name in ("sample", "online_retail"):
        (folder / "datasets" / f"{name}.yaml").write_text(DATASET.replace("NAME", name))
    return folder


def describe(home: Path, **environment: str) -> dict[str, Any]:
    conf = write_conf(home / "conf")
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).parent / "describe.py"),
            str(PROJECT / "dags"),
            json.dumps([case[:3] for case in DAYS]),
        ],
        env=clean_environment(
            home, PROJECT / "dags", RECSYS_BATCH_CONF=str(conf), RECSYS_BATCH_ENV="local"
        )
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    described: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return described


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return describe(tmp_path_factory.mktemp("describe"))


def test_importing_the_dag_file_imports_nothing_heavy(described: dict[str, Any]) -> None:
    assert described["heavy"] == []


def test_the_tasks_are_the_stages_in_order(described: dict[str, Any]) -> None:
    assert described["dag_id"] == "daily_recommendations"
    assert [task["id"] for task in described["tasks"]] == [stage.name for stage in STAGES]


def test_each_task_announces_the_tables_its_stage_writes(described: dict[str, Any]) -> None:
    assert [task["outlets"] for task in described["tasks"]] == [
        [f"recsys_batch.{table}" for table in stage.writes] for stage in STAGES
    ]


def test_each_task_retries_times_out_and_waits_for_the_one_writer(
    described: dict[str, Any],
) -> None:
    for task in described["tasks"]:
        assert task["retries"] == 3
        assert (task["retry_delay"], task["backoff"], task["max_retry_delay"]) == (300, 2.0, 3600)
        assert 0 < task["timeout"] <= 3 * 3600
        assert task["pool"] == "recsys_lake_writer"
        assert task["on_failure"] == ["log_failure"]


def test_one_run_at_a_time_and_no_catching_up(described: dict[str, Any]) -> None:
    assert described["catchup"] is False
    assert described["max_active_runs"] == 1


def test_a_scheduled_run_processes_the_day_that_is_over(described: dict[str, Any]) -> None:
    assert described["runs"] == [{"starts": "2026-01-31T02:00:00+00:00", "day": "2026-01-30"}]


def test_the_day_of_every_kind_of_run(described: dict[str, Any]) -> None:
    assert described["days"] == [case[3] for case in DAYS]


def test_the_command_of_the_defaults(described: dict[str, Any]) -> None:
    assert described["commands"]["defaults"] == [
        *(str(BIN / "spark-submit"), "--master", "local[3]", "--driver-memory", "5g"),
        *("--driver-java-options", java_options(SparkSettings(driver_memory="5g"))),
        *(str(PROJECT / "jobs/ingest.py"), "--dataset", "sample", "--date", "2026-01-30"),
    ]


def test_parameters_become_single_arguments_whatever_they_hold(described: dict[str, Any]) -> None:
    assert described["commands"]["given"][7:] == [
        *(str(PROJECT / "jobs/train.py"), "--dataset", "online_retail", "--date", "2026-01-30"),
        *("--landing", "/a b/in; x", "--lake", "/lake"),
    ]


def test_the_day_parameter_wins(described: dict[str, Any]) -> None:
    command = described["commands"]["day"]
    assert command[command.index("--date") + 1] == "2025-12-31"


def test_the_environment_sets_the_defaults(tmp_path: Path) -> None:
    changed = describe(
        tmp_path,
        RECSYS_BATCH_DATASET="online_retail",
        RECSYS_BATCH_LANDING="/in",
        RECSYS_BATCH_LAKE="/lake",
        RECSYS_BATCH_RETRIES="1",
        RECSYS_BATCH_RETRY_SECONDS="2",
        RECSYS_BATCH_DEADLINE_HOURS="4",
    )
    assert changed["params"] == {
        "dataset": "online_retail",
        "landing": "/in",
        "lake": "/lake",
        "day": None,
    }
    assert {(task["retries"], task["retry_delay"]) for task in changed["tasks"]} == {(1, 2.0)}
    assert changed["deadline_seconds"] == 4 * 3600
    assert changed["commands"]["defaults"][8:] == [
        *("--dataset", "online_retail", "--date", "2026-01-30"),
        *("--landing", "/in", "--lake", "/lake"),
    ]
