"""Events to interactions, users, items, popularity and the hold-out, as of the day."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.suites import interactions_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.features.history import day_end
from recsys_batch.features.inputs import Inputs
from recsys_batch.features.remembered import past_state
from recsys_batch.features.suspects import run_suspects, suspects_sentence, without_suspects
from recsys_batch.features.tables import cutoff_of, feature_tables
from recsys_batch.ingest.days import touched_days
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import run_before
from recsys_batch.models.recipes import fit_day, run_recipe


def run(job: Job) -> None:
    """Make, store and check the run's features."""
    opened, lake, settings = job.open_run(), job.lake, job.settings
    until, cutoff = day_end(job.day), cutoff_of(job.day, settings)
    job.progress("reading what is new", 0, 0)
    seen = Inputs(lake, until=until, horizon=opened.horizon)
    before = run_before(job.home, opened, checked="interactions")
    days = touched_days(job.home, opened, before)
    limits = settings.dataset.limits
    suspects = run_suspects(lake, seen.events, run=opened, before=before, days=days, limits=limits)
    job.say(suspects_sentence(read_rows(job.home, "suspects", run_id=opened.run_id)))
    fitted_on = fit_day(job.home, opened.run_id)
    clock = run_recipe(job.home, opened.run_id).clock(day_end(fitted_on).date())
    past = past_state(lake, clock=clock, until=cutoff, horizon=opened.horizon, suspects=suspects)
    tables = feature_tables(
        without_suspects(seen.events, suspects),
        *past,
        seen.items,
        seen.profiles,
        refused=seen.refused.persist(),
        clock=clock,
        day=job.day,
        settings=settings,
        run_id=opened.run_id,
        fit_day=fitted_on,
    )
    whole = {name: frame.coalesce(2) for name, frame in tables.items()}
    for done, name in enumerate(lake.replace_all(whole, run_id=opened.run_id)):
        job.progress(f"wrote {name}", done + 1, len(tables) + 1)
    lake.spark.catalog.clearCache()
    job.progress("checking interactions", len(tables), len(tables) + 1)
    weighed = lake.read("interactions", run_id=opened.run_id).where(F.col(c.WEIGHT) > 0)
    suite = interactions_suite()
    require(job.home, weighed, suite, table="interactions", run_id=opened.run_id)


if __name__ == "__main__":
    main("features", run)
