"""Open the day's run: what it reads and how it is named; check its events."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import events_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.errors import InputDataError
from recsys_batch.features.history import day_end, visible_events
from recsys_batch.ingest.days import events_digest, touched_days
from recsys_batch.job import Job, main
from recsys_batch.lake.digests import code_version, frame_digest
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run, make_run, run_before, store_run


def run(job: Job) -> Run:
    """Name the day's run by its inputs, and check the days that no run of its kind has checked."""
    batches = read_rows(job.home, "batches", status="complete")
    complete = max((row[c.BATCH_SEQ] for row in batches), default=0)
    horizon = complete if job.horizon is None else min(job.horizon, complete)
    digest, rows = events_digest(job.lake, last_day=job.day, horizon=horizon)
    if not rows:
        first = job.lake.read("events").agg(F.min(c.EVENT_DATE)).collect()[0][0]
        raise InputDataError(
            f"there are no events up to {job.day}"
            + (f"; the first is of {first}" if first else ""),
            where=job.lake.path("events"),
            fix="choose a later --date, or land files of that time",
        )
    catalogue, _ = frame_digest(
        job.lake.read("catalogue").where(F.col(c.BATCH_SEQ) <= horizon).drop(c.BATCH_SEQ)
    )
    opened = make_run(
        dataset=job.settings.dataset.name,
        as_of=job.day,
        horizon=horizon,
        events_digest=f"{digest[:32]}{catalogue[:32]}",
        events=rows,
        config_digest=job.settings.digest(),
        code_version=code_version(),
    )
    job.progress("checking events", 1, 2)
    days = touched_days(job.home, opened, run_before(job.home, opened))
    events = visible_events(job.lake.read("events"), until=day_end(job.day), horizon=horizon)
    unchecked = events.where(F.col(c.EVENT_DATE).isin(*days))
    suite = events_suite(as_of=job.day, max_future_hours=0)
    require(job.home, unchecked, suite, table="events", run_id=opened.run_id)
    store_run(job.home, opened)
    job.say(f"run {opened.run_id}: {rows} events up to {job.day}, from {horizon} batches")
    return opened


if __name__ == "__main__":
    main("validate", run)
