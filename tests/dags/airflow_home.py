"""A real Airflow in a folder of the test run: its own home, SQLite, no examples, no telemetry."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DAG_ID = "daily_recommendations"


def clean_environment(home: Path, dags: Path, **extra: str) -> dict[str, str]:
    """The environment of docs/airflow.md, free of whatever the caller's own Airflow sets."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "_AIRFLOW"))
        and name
        not in {
            "RECSYS_BATCH_DATASET",
            "RECSYS_BATCH_LANDING",
            "RECSYS_BATCH_LAKE",
            "RECSYS_BATCH_RETRIES",
            "RECSYS_BATCH_RETRY_SECONDS",
            "RECSYS_BATCH_DEADLINE_HOURS",
        }
    }
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        **extra,
    }


@dataclass
class AirflowHome:
    """One Airflow home and the commands and questions the tests have for it."""

    home: Path
    dags: Path
    extra: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run ``airflow ARGUMENTS``; on a failure or a timeout the caller sees the log's end."""
        log = self.home / f"{'-'.join(arguments[:2])}.log"
        with log.open("w", encoding="utf-8") as sink:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "airflow"), *arguments],
                env=clean_environment(self.home, self.dags, **self.extra),
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self.home,
            )
            try:
                code = process.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(timeout=60)
                pytest.fail(f"{arguments} took over {timeout:g} s\n{tail(log)}")
        return subprocess.CompletedProcess(arguments, code, stdout=log.read_text(encoding="utf-8"))

    def test(self, day: str, conf: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
        return self.run("dags", "test", DAG_ID, day, "--conf", conf, timeout=timeout)

    def query(self, sql: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.home / "airflow.db") as database:
            return database.execute(sql).fetchall()

    def states(self) -> dict[str, tuple[str, int]]:
        """Task -> (state, tries) of the one run there is."""
        return {
            str(task): (str(state), int(tries))
            for task, state, tries in self.query(
                "select task_id, state, try_number from task_instance where run_id ="
                " (select run_id from dag_run order by id desc limit 1)"
            )
        }


def tail(log: Path | str, lines: int = 80) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if isinstance(log, Path) else log
    return "\n".join(line[:400] for line in text.splitlines()[-lines:])
