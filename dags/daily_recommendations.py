"""Daily recommendations: one `spark-submit` a stage, from landing files to the live edge store.

The run named after a day processes that UTC day once it is over. Every stage may be repeated.
Parameters: `dataset`, `landing`, `lake`, and `day` to name the day. docs/airflow.md has the rest.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import (
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
    chain,
    dag,
)
from recsys_tasks import POOL, SubmitStage, log_deadline, log_failure, logical_day

from recsys_batch.pipeline import STAGES

NAME_PATTERN = "^[a-z][a-z0-9_]*$"
START_HOUR = 2  # UTC; leaves the sources two hours after midnight to land the day's last files
TIMEOUT = timedelta(hours=1)
TIMEOUTS = {"ingest": timedelta(hours=2), "train": timedelta(hours=3)}


def _deadline() -> DeadlineAlert | None:
    """Return the alert for a late run where $RECSYS_BATCH_DEADLINE_HOURS asks for one.

    It is not the default because `airflow dags test` of Airflow 3.3.2 dies at the end of a
    successful run of a DAG that has a deadline; the scheduler handles it.
    """
    hours = float(os.environ.get("RECSYS_BATCH_DEADLINE_HOURS", "0"))
    if not hours:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=SyncCallback(log_deadline, kwargs={"hours": hours}),
    )


def _folder(variable: str, description: str) -> Param:
    return Param(os.environ.get(variable), type=["null", "string"], description=description)


@dag(
    # Not the @daily string: what that means depends on [scheduler] create_cron_data_intervals.
    schedule=CronDataIntervalTimetable(f"0 {START_HOUR} * * *", timezone="UTC"),
    start_date=datetime(1990, 1, 1, tzinfo=UTC),  # old enough to backfill public data sets
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=23),
    deadline=_deadline(),
    default_args={
        "pool": POOL,
        "retries": int(os.environ.get("RECSYS_BATCH_RETRIES", "3")),
        "retry_delay": timedelta(
            seconds=float(os.environ.get("RECSYS_BATCH_RETRY_SECONDS", "300"))
        ),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(hours=1),
        "on_failure_callback": log_failure,
    },
    params={
        "dataset": Param(
            os.environ.get("RECSYS_BATCH_DATASET", "sample"),
            type="string",
            pattern=NAME_PATTERN,
            description="conf/datasets/NAME.yaml",
        ),
        "landing": _folder("RECSYS_BATCH_LANDING", "landing folder; empty: the data set's own"),
        "lake": _folder("RECSYS_BATCH_LAKE", "lake folder; empty: the project's own"),
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            description="UTC day to process; empty: the run's logical day",
        ),
    },
    user_defined_macros={"logical_day": logical_day},
    doc_md=__doc__,
    tags=["recsys_batch"],
)
def daily_recommendations() -> None:
    """Chain the stages of a day's run."""
    chain(
        *(
            SubmitStage(
                task_id=stage.name,
                stage=stage,
                dataset="{{ params.dataset }}",
                day="{{ logical_day(params.day, dag_run) }}",
                landing="{{ params.landing or '' }}",
                lake="{{ params.lake or '' }}",
                execution_timeout=TIMEOUTS.get(stage.name, TIMEOUT),
            )
            for stage in STAGES
        )
    )


DAILY = daily_recommendations()
