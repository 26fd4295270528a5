"""Open the day's run: what it reads and how it is named; check its events and their freshness."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import events_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.features.history import day_end
from recsys_batch.features.inputs import Inputs
from recsys_batch.ingest.days import count_batches, inputs_digest, require_events, touched_days
from recsys_batch.ingest.freshness import check_freshness, source_ages
from recsys_batch.job import Job, main
from recsys_batch.lake.digests import code_version
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run, make_run, run_before, store_run, was_opened


def run(job: Job) -> Run:
    """Name the day's run by its inputs, and check the days that no run of its kind has checked."""
    dataset, until, lake = job.settings.dataset, day_end(job.day), job.lake
    batches = read_rows(job.home, "batches", status="complete")
    complete = max((row[c.BATCH_SEQ] for row in batches), default=0)
    horizon = complete if job.horizon is None else min(job.horizon, complete)
    count_batches(lake, horizon=horizon)
    seen = Inputs(lake, until=until, horizon=horizon)
    digest, rows = inputs_digest(job.home, last_day=job.day, horizon=horizon, heeded=seen.heeded())
    require_events(lake, rows, last_day=job.day)
    opened = make_run(
        dataset=dataset.name,
        as_of=job.day,
        horizon=horizon,
        events_digest=digest,
        events=rows,
        config_digest=job.config_digest,
        code_version=code_version(),
    )
    check_freshness(
        job.home,
        source_ages(job.home, batches, day=job.day, horizon=horizon, dataset=dataset),
        run_id=opened.run_id,
        limits=dataset.freshness,
        say=job.say,
    )
    if not was_opened(job.home, opened):
        days = touched_days(job.home, opened, run_before(job.home, opened))
        unchecked = seen.events.where(F.col(c.EVENT_DATE).isin(*days))
        suite = events_suite(as_of=job.day, max_future_hours=0)
        require(job.home, unchecked, suite, table="events", run_id=opened.run_id)
        store_run(job.home, opened)
    job.say(f"run {opened.run_id}: {rows} events up to {job.day}, from {horizon} batches")
    return opened


if __name__ == "__main__":
    main("validate", run)
