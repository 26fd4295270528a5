"""Events to interactions, users, items, popularity and the hold-out, as of the day."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import interactions_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.features.history import consented, day_end, visible_events
from recsys_batch.features.tables import feature_tables, require_history
from recsys_batch.job import Job, main


def run(job: Job) -> None:
    """Make, store and check the run's features."""
    opened, lake = job.open_run(), job.lake
    visible = visible_events(lake.read("events"), until=day_end(job.day), horizon=opened.horizon)
    events = consented(visible).persist()
    require_history(events, day=job.day, settings=job.settings)
    tables = feature_tables(
        events,
        lake.read("catalogue").where(F.col(c.BATCH_SEQ) <= opened.horizon),
        day=job.day,
        settings=job.settings,
        run_id=opened.run_id,
    )
    for done, (name, frame) in enumerate(tables.items()):
        job.progress(f"writing {name}", done, len(tables) + 1)
        lake.replace(name, frame.coalesce(2), run_id=opened.run_id)
    events.unpersist()
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
