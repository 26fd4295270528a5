"""Open the day's run: what it reads and how it is named; check that, and how fresh it is."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import events_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.features.history import day_end
from recsys_batch.features.inputs import Inputs
from recsys_batch.ingest.days import count_batches, require_events, touched_days
from recsys_batch.ingest.freshness import check_freshness, source_ages
from recsys_batch.ingest.verdicts import require_batches
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run, run_before, store_run, was_opened


def run(job: Job) -> Run:
    """Name the day's run by its inputs, and check what no run of its kind has checked."""
    dataset, lake = job.settings.dataset, job.lake
    batches = read_rows(job.home, "batches", status="complete")
    complete = max((row[c.BATCH_SEQ] for row in batches), default=0)
    horizon = complete if job.horizon is None else min(job.horizon, complete)
    count_batches(lake, horizon=horizon)
    opened = job.name_run(horizon=horizon)
    require_events(lake, opened.events, last_day=job.day)
    check_freshness(
        job.home,
        source_ages(job.home, batches, day=job.day, horizon=horizon, dataset=dataset),
        run_id=opened.run_id,
        limits=dataset.freshness,
        say=job.say,
    )
    if not was_opened(job.home, opened):
        require_batches(lake, opened, limits=dataset.limits)
        days = touched_days(job.home, opened, run_before(job.home, opened))
        seen = Inputs(lake, until=day_end(job.day), horizon=horizon)
        unchecked = seen.events.where(F.col(c.EVENT_DATE).isin(*days))
        suite = events_suite(as_of=job.day, max_future_hours=0)
        require(job.home, unchecked, suite, table="events", run_id=opened.run_id)
        store_run(job.home, opened)
    job.say(f"run {opened.run_id}: {opened.events} events up to {job.day}, from {horizon} batches")
    return opened


if __name__ == "__main__":
    main("validate", run)
