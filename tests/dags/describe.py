"""Import the daily DAG in a fresh interpreter and print what it is, as JSON.

A script of its own: importing Airflow configures the whole process, and what an import drags in
can only be seen where nothing else was imported.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HEAVY = ("pyspark", "pandas", "numpy", "pyarrow", "delta", "mlflow", "implicit", "sklearn")


def main() -> None:
    sys.path.insert(0, str(Path(sys.argv[1])))

    before = set(sys.modules)
    import daily_recommendations as module

    ours = set(sys.modules) - before
    import recsys_tasks

    dag = module.DAILY
    alert = dag.deadline
    sys.stdout.write(
        json.dumps(
            {
                "dag_id": dag.dag_id,
                "heavy": sorted(name for name in HEAVY if name in ours),
                "catchup": dag.catchup,
                "max_active_runs": dag.max_active_runs,
                "params": dag.params.dump(),
                "deadline_seconds": alert and alert[0].interval.total_seconds(),
                "tasks": [_task(dag.task_dict[each]) for each in _order(dag)],
                "days": [_day(*case, recsys_tasks) for case in json.loads(sys.argv[2])],
                "runs": [_scheduled(dag, datetime(2026, 1, 30, tzinfo=UTC), recsys_tasks)],
                "commands": {
                    "defaults": _command(dag, "ingest", {}),
                    "given": _command(
                        dag,
                        "train",
                        {"dataset": "online_retail", "landing": "/a b/in; x", "lake": "/lake"},
                    ),
                    "day": _command(dag, "export", {"day": "2025-12-31"}),
                },
            }
        )
    )


def _order(dag: Any) -> list[str]:
    """Walk the chain from its only root; a fork would be an error here."""
    [root] = [task.task_id for task in dag.tasks if not task.upstream_task_ids]
    order = [root]
    while following := dag.task_dict[order[-1]].downstream_task_ids:
        [task_id] = following
        order.append(task_id)
    return order


def _task(task: Any) -> dict[str, Any]:
    return {
        "id": task.task_id,
        "outlets": [outlet.name for outlet in task.outlets],
        "retries": task.retries,
        "retry_delay": task.retry_delay.total_seconds(),
        "backoff": task.retry_exponential_backoff,
        "max_retry_delay": task.max_retry_delay.total_seconds(),
        "timeout": task.execution_timeout.total_seconds(),
        "pool": task.pool,
        "on_failure": [each.__name__ for each in task.on_failure_callback],
    }


def _day(day: str | None, logical: str | None, start: str, recsys_tasks: Any) -> str:
    run = SimpleNamespace(
        logical_date=logical and datetime.fromisoformat(logical),
        run_after=datetime.fromisoformat(start),
    )
    answer: str = recsys_tasks.logical_day(day, run)
    return answer


def _scheduled(dag: Any, start: datetime, recsys_tasks: Any) -> dict[str, str]:
    """The first run the scheduler's own timetable makes at or after `start`."""
    import pendulum
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    info = coerce_to_core_timetable(dag.timetable).next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=pendulum.instance(start), latest=None, catchup=True),
    )
    run = SimpleNamespace(logical_date=info.logical_date, run_after=info.run_after)
    return {
        "starts": info.run_after.isoformat(),
        "day": recsys_tasks.logical_day(None, run),
    }


def _command(dag: Any, task_id: str, params: dict[str, str]) -> list[str]:
    """The command of a task of `dags test ... 2026-01-30`, its templates rendered by Airflow."""
    run = SimpleNamespace(
        logical_date=datetime(2026, 1, 30, tzinfo=UTC),
        run_after=datetime(2026, 2, 14, 9, 30, tzinfo=UTC),
    )
    task = dag.task_dict[task_id]
    task.render_template_fields({"params": {**dag.params.dump(), **params}, "dag_run": run})
    command: list[str] = task.command()
    return command


main()
