"""Take new landing files: parse, pseudonymise, deduplicate, quarantine."""

from __future__ import annotations

from recsys_batch.ingest.batch import sources, take
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import Job, main


def run(job: Job) -> dict[str, Conservation]:
    """Take what is new of each source; return its conservation of rows."""
    landing = job.landing_folder()
    key, created = load_key(create=True)
    if created:
        job.say(
            f"notice: made a pseudonym key at {key.origin}; keep it safe, for without it "
            "nobody can be looked up"
        )
    taken: dict[str, Conservation] = {}
    wanted = sources(job.settings.dataset)
    for source in wanted:
        job.progress(f"taking {source.name}", len(taken), len(wanted))
        rows = take(
            job.lake,
            source,
            dataset=job.settings.dataset,
            landing=landing,
            key=key,
            now=job.now,
            say=job.say,
        )
        taken[source.name] = rows
        job.say(
            f"{source.name}: {rows.files} new files, {rows.landed} landed = "
            f"{rows.accepted} accepted + {rows.quarantined} quarantined "
            f"+ {rows.duplicate} duplicate"
        )
    return taken


if __name__ == "__main__":
    main("ingest", run)
