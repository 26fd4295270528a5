"""Exact top-N for every user, region and for all; check the finished lists."""

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
from recsys_batch.ranking.inputs import ranking_input, run_catalog
from recsys_batch.ranking.runner import rank_users, segment_lists


def run(job: Job) -> None:
    """Rank, check and store the run's lists; those of a sealed publication must come out equal."""
    run_id, settings, lake = job.open_run().run_id, job.settings, job.lake
    n, exclude_seen = settings.recommend.n, settings.recommend.seen == "exclude"
    catalog = run_catalog(lake, run_id=run_id, part="full")
    users = lake.read("users", run_id=run_id, part="full")
    interactions = lake.read("interactions", run_id=run_id, part="full")
    factors = lake.read("user_factors", run_id=run_id, part="full")
    ranked = ranking_input(users, factors, interactions)
    lists = rank_users(ranked, catalog, n=n, exclude_seen=exclude_seen)
    lists = lists.withColumn(c.PUBLICATION_ID, F.lit(run_id))
    segments = lake.spark.createDataFrame(
        [(run_id, *each) for each in segment_lists(catalog, n=n)], TABLES["topn_segment"].ddl
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
    facts = topn_facts(
        lake.read("topn_user", publication_id=run_id),
        n=n,
        recommendable=lake.read("items", run_id=run_id).where(F.col(c.RECOMMENDABLE)),
        seen=interactions.where(F.col(c.SEEN)) if exclude_seen else None,
    )
    suite = topn_suite(users=users.count())
    require(job.home, facts, suite, table="topn_user", run_id=run_id)


if __name__ == "__main__":
    main("recommend", run)
