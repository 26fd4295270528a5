"""A publication's manifest: what it holds and what it was made from, sealed once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.errors import PublicationError
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.runs import Run
from recsys_batch.lake.store import Lake
from recsys_batch.publish.pointer import read_current

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def manifests(home: Path) -> list[dict[str, Any]]:
    """Manifests of the sealed publications, earliest logical day first."""
    sealed = [json.loads(row["manifest"]) for row in read_rows(home, "publications")]
    return sorted(sealed, key=lambda each: (each["as_of"], each["publication_id"]))


def sealed_manifest(home: Path, publication_id: str) -> dict[str, Any] | None:
    """The manifest of a publication, or None where it is not sealed."""
    rows = read_rows(home, "publications", publication_id=publication_id)
    return json.loads(rows[0]["manifest"]) if rows else None


def live_of_later_day(home: Path, as_of: str) -> str | None:
    """The live publication if its logical day is later than `as_of`, else None.

    A backfill of a past day does not replace what is newer; a rollback to it does.
    """
    live = read_current(home)
    sealed = sealed_manifest(home, live) if live is not None else None
    return live if sealed is not None and sealed["as_of"] > as_of else None


def lists_digest(lists: DataFrame) -> tuple[str, int]:
    """Digest of lists, whichever run ranked them, and how many there are."""
    return frame_digest(lists.drop(c.RANKED_IN))


def seal(
    lake: Lake, run: Run, *, recipe: Mapping[str, Any], metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Write the manifest of a run's finished lists and return it; a repeat returns the sealed one.

    Parameters
    ----------
    recipe
        The parameters that made the model.
    metrics
        What the lists reached on the hold-out.

    Raises
    ------
    PublicationError
        There are no lists, or they differ from the sealed ones.
    """
    digests, rows = {}, {}
    for table in ("topn_user", "topn_segment"):
        digests[table], rows[table] = lists_digest(lake.read(table, publication_id=run.run_id))
        if not rows[table]:
            raise PublicationError(
                f"{table} holds no list of {run.run_id}",
                where=lake.path(table),
                fix="run `recsys-batch recommend` for that day first",
            )
    sealed = sealed_manifest(lake.home, run.run_id)
    if sealed is not None:
        require_same_lists(sealed, users=digests["topn_user"], segments=digests["topn_segment"])
        return sealed
    manifest = {
        "publication_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "rows": rows,
        "digests": digests,
        "events": run.events,
        "events_digest": run.events_digest,
        "config_digest": run.config_digest,
        "code_version": run.code_version,
        "recipe": dict(recipe),
        "metrics": dict(metrics),
    }
    row = {
        c.PUBLICATION_ID: run.run_id,
        c.AS_OF: run.as_of,
        "manifest": json.dumps(manifest, sort_keys=True),
    }
    replace_rows(lake.home, "publications", [row], publication_id=run.run_id)
    return manifest


def require_same_lists(sealed: Mapping[str, Any], *, users: str, segments: str) -> None:
    """Raise `PublicationError` where lists made again differ from the sealed ones."""
    found = {"topn_user": users, "topn_segment": segments}
    for table, digest in found.items():
        if sealed["digests"][table] != digest:
            raise PublicationError(
                f"the lists came out with digest {digest[:16]}, sealed were "
                f"{sealed['digests'][table][:16]}",
                where=f"publication {sealed['publication_id']}, {table}",
                fix="find what made this run differ (library, processor); the sealed one stays",
            )
