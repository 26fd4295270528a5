"""What the DAGs share: the task that submits one stage, the logical day, and the alarms.

Light to import, because the DAG processor imports it again and again: no Spark, no pandas.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from recsys_batch.errors import (
    ConfigError,
    GateRefusedError,
    InputDataError,
    RecsysError,
    ValidationFailedError,
)
from recsys_batch.pipeline import Stage

PROJECT = Path(__file__).resolve().parent.parent
POOL = "recsys_lake_writer"

# Time heals a late file, a locked table or a lost machine; it does not heal these.
FINAL_EXIT_CODES = frozenset(
    kind.exit_code
    for kind in (ConfigError, ValidationFailedError, GateRefusedError, InputDataError)
)

log = logging.getLogger(__name__)


def logical_day(day: str | None, dag_run: Any) -> str:
    """Return the UTC day a run processes, as YYYY-MM-DD.

    Parameters
    ----------
    day
        The run's ``day`` parameter; it wins where it is given.
    dag_run
        The Airflow run. Its logical date names the day, except where there is none, or where it
        falls on the day the run may start: that day is not over, so the day before is meant.
    """
    if day:
        return date.fromisoformat(day).isoformat()
    start: date = dag_run.run_after.date()
    logical: date = dag_run.logical_date.date() if dag_run.logical_date else start
    return (logical if logical != start else start - timedelta(days=1)).isoformat()


def table_alias(table: str) -> AssetAlias:
    """Return the outlet of a table; the asset behind it is named when the data set is known."""
    return AssetAlias(name=f"recsys_batch.{table}", group="recsys_batch")


def table_asset(dataset: str, table: str) -> Asset:
    """Return the asset of one table of one data set, for other DAGs to be scheduled on."""
    return Asset(name=f"{dataset}.{table}", uri=f"recsys://{dataset}/{table}", group="recsys_batch")


class SubmitStage(BaseOperator):
    """Run one stage of the pipeline as its own ``spark-submit``.

    Parameters
    ----------
    stage
        The stage; its tables become the task's outlets.
    dataset, day, landing, lake
        Templates of the job's arguments; an empty ``landing`` or ``lake`` is left to the job.
    """

    template_fields = ("dataset", "day", "landing", "lake")

    def __init__(
        self, *, stage: Stage, dataset: str, day: str, landing: str, lake: str, **kwargs: Any
    ) -> None:
        super().__init__(
            doc=stage.summary, outlets=[table_alias(table) for table in stage.writes], **kwargs
        )
        self.stage = stage
        self.dataset = dataset
        self.day = day
        self.landing = landing
        self.lake = lake
        self._hook: SubprocessHook | None = None

    def command(self) -> list[str]:
        """Return the command line, after the templates were filled in.

        Master and driver memory come from the configuration that the command line uses, since a
        driver cannot change either once spark-submit has started it.
        """
        from recsys_batch.config import load_settings
        from recsys_batch.lake.session import java_options

        spark = load_settings(self.dataset).spark
        command = [
            str(Path(sys.executable).parent / "spark-submit"),
            *("--master", spark.master, "--driver-memory", spark.driver_memory),
            *("--driver-java-options", java_options(spark)),
            *(str(PROJECT / self.stage.job), "--dataset", self.dataset, "--date", self.day),
        ]
        for option, value in (("--landing", self.landing), ("--lake", self.lake)):
            if value:
                command += [option, value]
        return command

    def execute(self, context: Mapping[str, Any]) -> None:
        """Run the job, and name the tables it wrote.

        Raises
        ------
        AirflowFailException
            The job failed in a way that a retry cannot mend.
        AirflowException
            The job failed otherwise.
        """
        try:
            command = self.command()
            environment = _environment(local="local[" in command[2])
        except RecsysError as error:
            raise AirflowFailException(str(error)) from error
        self._hook = SubprocessHook()
        code = self._hook.run_command(command, env=environment, cwd=str(PROJECT)).exit_code
        if code:
            kind = AirflowFailException if code in FINAL_EXIT_CODES else AirflowException
            raise kind(f"{self.stage.job} ended with status {code} ({_meaning(code)})")
        events = context["outlet_events"]
        for table in self.stage.writes:
            events[table_alias(table)].add(
                table_asset(self.dataset, table), extra={"day": self.day}
            )

    def on_kill(self) -> None:
        """End the job with its JVM and workers: they are one process group."""
        if self._hook and self._hook.sub_process and self._hook.sub_process.poll() is None:
            self._hook.send_sigterm()


def log_failure(context: Mapping[str, Any]) -> None:
    """Write one JSON line that says which stage of which run failed and what to do."""
    ti = context["ti"]
    log.error(
        json.dumps(
            {
                "event": "stage_failed",
                "dag": ti.dag_id,
                "run_id": ti.run_id,
                "stage": ti.task_id,
                "dataset": getattr(ti.task, "dataset", None),
                "day": getattr(ti.task, "day", None),
                "try": ti.try_number,
                "error": str(context.get("exception")),
                "fix": "do what the job's last message in this task's log says, then clear the "
                "task with its downstream tasks: stages may be repeated, and the last "
                "publication stays live meanwhile",
            }
        )
    )


def log_deadline(*, context: Mapping[str, Any], hours: float) -> None:
    """Write one JSON line that says which run is late and what to do."""
    run = context["dag_run"]
    log.error(
        json.dumps(
            {
                "event": "deadline_missed",
                "dag": run["dag_id"],
                "run_id": run["dag_run_id"],
                "error": f"the run has not finished {hours:g} hours after it was queued",
                "fix": "look at the first unfinished task of the run: running, waiting for a slot "
                f"of the pool {POOL}, or between retries; the last publication stays live",
            }
        )
    )


def _environment(*, local: bool) -> dict[str, str]:
    from recsys_batch.setup.jdk import require_java

    return {
        # A machine whose name resolves to nothing can still run Spark in local mode.
        **({"SPARK_LOCAL_IP": "127.0.0.1"} if local else {}),
        **os.environ,
        "JAVA_HOME": str(require_java().home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def _meaning(code: int) -> str:
    kinds = [kind.__name__ for kind in RecsysError.__subclasses__() if kind.exit_code == code]
    if kinds:
        return " or ".join(kinds)
    return "killed by a signal" if code < 0 or code > 128 else "an unexpected error"
