"""Events to interactions, users, items, popularity and the hold-out, as of the day."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import interactions_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.features.history import day_end, visible_events
from recsys_batch.features.remembered import past_state
from recsys_batch.features.state import Clock
from recsys_batch.features.tables import cutoff_of, feature_tables
from recsys_batch.job import Job, main


def run(job: Job) -> None:
    """Make, store and check the run's features."""
    opened, lake, settings = job.open_run(), job.lake, job.settings
    until, cutoff = day_end(job.day), cutoff_of(job.day, settings)
    job.progress("reading what is new", 0, 0)
    past, facts = past_state(
        lake, clock=Clock.of(settings, until.date()), until=cutoff, horizon=opened.horizon
    )
    tables = feature_tables(
        visible_events(lake.read("events"), until=until, horizon=opened.horizon),
        past,
        facts,
        lake.read("catalogue").where(F.col(c.BATCH_SEQ) <= opened.horizon),
        day=job.day,
        settings=settings,
        run_id=opened.run_id,
    )
    whole = {name: frame.coalesce(2) for name, frame in tables.items()}
    for done, name in enumerate(lake.replace_all(whole, run_id=opened.run_id)):
        job.progress(f"wrote {name}", done + 1, len(tables) + 1)
    lake.spark.catalog.clearCache()
    job.progress("checking interactions", len(tables), len(tables) + 1)
    require(
        job.home,
        lake.read("interactions", run_id=opened.run_id).where(F.col(c.WEIGHT) > 0),
        interactions_suite(),
        table="interactions",
        run_id=opened.run_id,
    )


if __name__ == "__main__":
    main("features", run)
