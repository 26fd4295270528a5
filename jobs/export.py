"""Build the edge store and plain exports of a sealed publication, verify them, and go live."""

from __future__ import annotations

from pyspark.sql import functions as F

from recsys_batch import columns as c
from recsys_batch.edge.entries import write_store
from recsys_batch.edge.retention import collect
from recsys_batch.edge.rollback import promote
from recsys_batch.errors import PublicationError
from recsys_batch.job import Job, actor, main
from recsys_batch.models.champion import name_champion
from recsys_batch.publish.exports import export_folder, write_exports
from recsys_batch.publish.manifest import live_of_later_day, sealed_manifest


def run(job: Job) -> None:
    """Make the run's publication live, unless that of a later day is; a repeat changes nothing."""
    publication_id, lake = job.open_run().run_id, job.lake
    manifest = sealed_manifest(job.home, publication_id)
    if manifest is None:
        raise PublicationError(
            f"publication {publication_id} is not sealed",
            where=lake.path("publications"),
            fix="run `recsys-batch publish` for that day first",
        )
    users = lake.read("topn_user", publication_id=publication_id).orderBy(c.USER_KEY).persist()
    whole = users.drop(c.RANKED_IN).coalesce(1)  # where a sort splits depends on a sample
    segments = lake.read("topn_segment", publication_id=publication_id).coalesce(1)
    job.progress("building the edge store", 0, 3)
    write_store(job.home, manifest, users=users, segments=segments)
    job.progress("writing plain exports", 1, 3)
    write_exports(
        export_folder(job.home, publication_id),
        {
            "topn_user": whole,
            "topn_segment": segments.orderBy(F.col(c.SEGMENT).asc_nulls_first(), c.LEVEL),
        },
        details=manifest,
    )
    users.unpersist()
    job.progress("going live", 2, 3)
    later = live_of_later_day(job.home, manifest["as_of"])
    if later is not None:
        job.say(f"kept: {publication_id}; live stays {later}, which is of a later day")
        return
    move = promote(job.home, publication_id, actor=actor(), at=job.now)
    name_champion(job.home, job.settings, publication_id)
    collect(job.home, job.settings.publish.keep)
    job.say(f"live: {move.current}" + (f" (before: {move.before})" if move.changed else ""))


if __name__ == "__main__":
    main("export", run)
