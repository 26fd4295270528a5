"""The user lists of a run: ranked where something has changed, else those of an earlier run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.job import Job
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.runs import Run, run_before
from recsys_batch.ranking.changes import Changes, all_changed, changes
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.runner import rank_users
from recsys_batch.ranking.stored import model_path

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


def made_lists(job: Job, opened: Run, ranker: Ranker, *, sealed: bool) -> tuple[DataFrame, Changes]:
    """The list of every user, as of `rank_users`; and how many had to be made, and why.

    Parameters
    ----------
    sealed
        Make all of them, to hold them against those that were published.
    """
    if sealed:
        found = all_changed(ranker.model, "sealed lists are made again")
    else:
        found = _changes(job, opened, ranker)
    path = model_path(job.home, opened.run_id, "full")
    lists = rank_users(
        job.lake.spark,
        path,
        job.policy,
        as_of=job.day,
        run_id=opened.run_id,
        n=ranker.n,
        rows=found.changed,
    )
    if found.built_on is not None:
        keys = ranker.model.trained_on.user_keys(found.unchanged)
        lists = lists.unionByName(_kept(job, found.built_on, keys))
    return lists, found


def store_changes(job: Job, run_id: str, found: Changes) -> None:
    """Keep, and say, how many lists of a run were made anew, and why."""
    rows = [{**row, c.RUN_ID: run_id} for row in found.rows()]
    replace_rows(job.home, "list_changes", rows, run_id=run_id)
    job.say(found.sentence())


def _kept(job: Job, run_id: str, keys: pa.StringArray) -> DataFrame:
    """The lists that a run made for some users."""
    import pyarrow as pa

    wanted = job.lake.spark.createDataFrame(pa.table({c.USER_KEY: keys}))
    stored = job.lake.read("topn_user", publication_id=run_id)
    return stored.join(wanted, c.USER_KEY, how="left_semi").drop(c.PUBLICATION_ID)


def _changes(job: Job, opened: Run, ranker: Ranker) -> Changes:
    """Whose lists must be made anew; those of the others stand in an earlier run.

    Where models are fitted every day, and of the first run after a fit, all must.
    """
    if job.settings.model.refit_days == 1:
        return all_changed(ranker.model, "the model is fitted every day")
    before = run_before(job.home, opened, checked="topn_user")
    if before is None or not _is_sound(job, before):
        return all_changed(ranker.model, "there are no earlier lists to build upon")
    earlier = Ranker(
        load_model(model_path(job.home, before.run_id, "full")),
        job.policy,
        as_of=before.as_of,
        run_id=before.run_id,
        n=ranker.n,
    )
    found = changes(earlier, ranker)
    return replace(found, built_on=before.run_id) if len(found.unchanged) else found


def _is_sound(job: Job, before: Run) -> bool:
    """Whether a run's lists passed their check, and its model is still there."""
    checks = read_rows(job.home, "validations", run_id=before.run_id, table="topn_user")
    passed = all(row["success"] or row["severity"] != "critical" for row in checks)
    return passed and model_path(job.home, before.run_id, "full").exists()
