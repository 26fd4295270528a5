"""Exact top-N for every user, region, cohort and for all; check the finished lists."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.facts import topn_facts
from recsys_batch.contracts.suites import topn_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.job import Job, main
from recsys_batch.lists import made_lists, store_changes
from recsys_batch.publish.manifest import lists_digest, require_same_lists, sealed_manifest
from recsys_batch.ranking.lists import available_items, segment_lists
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons
from recsys_batch.ranking.stored import model_path


def run(job: Job) -> None:
    """Rank, check and store the run's lists; those of a sealed publication must come out equal."""
    opened, n, lake = job.open_run(), job.settings.recommend.n, job.lake
    run_id = opened.run_id
    model = load_model(model_path(job.home, run_id, "full"))
    ranker = Ranker(model, job.policy, as_of=job.day, run_id=run_id, n=n)
    for line in ranker.warnings:
        job.say(f"rules {job.policy.version}: {line}")
    sealed = sealed_manifest(job.home, run_id)
    lists, found = made_lists(job, opened, ranker, sealed=sealed is not None)
    segments = lake.spark.createDataFrame(segment_lists(ranker, Reasons(model)))
    lists, segments = (
        each.withColumn(c.PUBLICATION_ID, F.lit(run_id)) for each in (lists, segments)
    )
    if sealed is not None:
        require_same_lists(sealed, users=lists_digest(lists)[0], segments=lists_digest(segments)[0])
        job.say(f"publication {run_id} is sealed; its lists came out the same")
        return
    job.progress("ranking", 0, 2)
    lake.replace("topn_user", lists, publication_id=run_id)
    lake.replace("topn_segment", segments.coalesce(1), publication_id=run_id)
    store_changes(job, run_id, found)
    job.progress("checking lists", 1, 2)
    interactions = lake.read("interactions", run_id=run_id, part="full")
    facts = topn_facts(
        lake.read("topn_user", publication_id=run_id),
        n=n,
        available=lake.spark.createDataFrame(available_items(ranker)),
        recommendable=lake.read("items", run_id=run_id, part="full").where(F.col(c.RECOMMENDABLE)),
        seen=None if ranker.repeats_shown else interactions.where(F.col(c.SEEN)),
    )
    suite = topn_suite(users=int(model.trained_on.listed.sum()))
    require(job.home, facts, suite, table="topn_user", run_id=run_id)


if __name__ == "__main__":
    main("recommend", run)
