"""Exact top-N for every user, region, cohort and for all; check the finished lists."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.contracts.facts import topn_facts
from recsys_batch.contracts.suites import topn_suite
from recsys_batch.contracts.verdicts import require
from recsys_batch.job import Job, main
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.tables import TABLES
from recsys_batch.publish.manifest import require_same_lists, sealed_manifest
from recsys_batch.ranking.lists import available_items, segment_lists
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons
from recsys_batch.ranking.runner import rank_users
from recsys_batch.ranking.stored import model_path


def run(job: Job) -> None:
    """Rank, check and store the run's lists; those of a sealed publication must come out equal."""
    run_id, n, lake = job.open_run().run_id, job.settings.recommend.n, job.lake
    path = model_path(job.home, run_id, "full")
    model = load_model(path)
    ranker = Ranker(model, job.policy, as_of=job.day, run_id=run_id, n=n)
    for line in ranker.warnings:
        job.say(f"rules {job.policy.version}: {line}")
    lists = rank_users(lake.spark, path, job.policy, as_of=job.day, run_id=run_id, n=n)
    lists = lists.withColumn(c.PUBLICATION_ID, F.lit(run_id))
    segments = lake.spark.createDataFrame(
        [(run_id, *each) for each in segment_lists(ranker, Reasons(model))],
        TABLES["topn_segment"].ddl,
    )
    sealed = sealed_manifest(job.home, run_id)
    if sealed is not None:
        require_same_lists(sealed, users=frame_digest(lists)[0], segments=frame_digest(segments)[0])
        job.say(f"publication {run_id} is sealed; its lists came out the same")
        return
    job.progress("ranking", 0, 2)
    lake.replace("topn_user", lists, publication_id=run_id)
    lake.replace("topn_segment", segments.coalesce(1), publication_id=run_id)
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
