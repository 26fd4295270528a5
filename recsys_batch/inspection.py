"""Looking at a dataset, moving its live pointer, tidying its tables: all of it without Spark."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recsys_batch import columns as c
from recsys_batch.config import Settings, load_settings
from recsys_batch.edge.bodies import look_up
from recsys_batch.edge.retention import kept_publications
from recsys_batch.edge.rollback import rollback
from recsys_batch.edge.store import EdgeStore, store_folder
from recsys_batch.errors import LakeError, PublicationError
from recsys_batch.ingest.conservation import Conservation, standing
from recsys_batch.ingest.freshness import age_sentence
from recsys_batch.ingest.lateness import lateness_summary
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import actor, parse_day
from recsys_batch.lake.cost import costs_text
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.places import lake_folder
from recsys_batch.lake.store import write_lock
from recsys_batch.lake.vacuum import vacuum
from recsys_batch.models.champion import name_champion
from recsys_batch.pipeline import STAGES
from recsys_batch.publish.exports import copy_exports, export_folder
from recsys_batch.publish.manifest import manifests
from recsys_batch.publish.pointer import read_current


def dataset_home(dataset: str, lake: str) -> tuple[Path, Settings]:
    """Folder and settings of a dataset in a lake; raise `LakeError` where it was never run."""
    settings = load_settings(dataset)
    home = lake_folder(lake) / settings.dataset.name
    if not home.is_dir():
        raise LakeError(
            f"dataset {settings.dataset.name!r} was never run here",
            where=str(home),
            fix="run `recsys-batch run` first, or name the lake with --lake DIR",
        )
    return home, settings


def live_publication(home: Path) -> str:
    """Id of the live publication; raise `PublicationError` where there is none."""
    live = read_current(home)
    if live is None:
        raise PublicationError(
            "nothing is live yet",
            where=str(home),
            fix="run a day with `recsys-batch run` until its last stage",
        )
    return live


def live_list(
    user: str, *, dataset: str, lake: str, region: str | None, n: int, cohort: str | None = None
) -> dict[str, Any]:
    """The live list that the edge would answer with, and whose it is."""
    home, _ = dataset_home(dataset, lake)
    key, _ = load_key(create=False)
    with EdgeStore(store_folder(home, live_publication(home))) as store:
        found = look_up(store.get, user_key=key.user_key(user), region=region, cohort=cohort)
        if found is None:
            raise PublicationError(
                "the live publication holds no list at all",
                where=str(home),
                fix="roll back with `recsys-batch rollback`",
            )
        return dict(json.loads(store.answer(*found, n)))


def list_text(found: dict[str, Any]) -> str:
    """A list as lines: place, item, score, source and reason."""
    head = f"{found['level']} list of publication {found['publication']} (day {found['as_of']})"
    lines = [
        f"{place:>3}  {item['item_id']:<16} {item['score']:>8.4f}  {item['source']:<14} "
        f"{item['reason']}"
        for place, item in enumerate(found["items"], start=1)
    ]
    return "\n".join([head, *lines])


def cost_rows(*, dataset: str, lake: str, day: str | None) -> list[dict[str, Any]]:
    """What each stage of a day took when it last ran, by default of the latest day, in their order.

    Raises
    ------
    LakeError
        No stage of the day has run.
    """
    home, _ = dataset_home(dataset, lake)
    places = {stage.name: place for place, stage in enumerate(STAGES)}
    kept = [row for row in read_rows(home, "costs") if row["stage"] in places]
    as_of = parse_day(day) if day else max((row[c.AS_OF] for row in kept), default=None)
    rows = [row for row in kept if row[c.AS_OF] == as_of]
    if not rows:
        raise LakeError(
            f"no stage has run for {day or 'any day'}",
            where=str(home),
            fix="run the day with `recsys-batch run`",
        )
    rows.sort(key=lambda row: places[row["stage"]])
    return [{**_plain(row), c.AS_OF: str(row[c.AS_OF])} for row in rows]


def cost_text(rows: list[dict[str, Any]], *, dataset: str, lake: str) -> str:
    """The costs of a day as lines, with the cores' seconds for 1,000 users of its publication."""
    sealed = publication_rows(dataset=dataset, lake=lake)
    users = [row["rows"]["topn_user"] for row in sealed if row["as_of"] == rows[0][c.AS_OF]]
    return costs_text(rows, users=users[-1] if users else None)


def publication_rows(*, dataset: str, lake: str) -> list[dict[str, Any]]:
    """Sealed publications with their status: live, kept (for rollback) or retired."""
    home, _ = dataset_home(dataset, lake)
    live, kept = read_current(home), set(kept_publications(home))
    rows = []
    for each in manifests(home):
        name = each["publication_id"]
        state = "live" if name == live else "kept" if name in kept else "retired"
        rows.append({**each, "status": state})
    return rows


def publications_text(rows: list[dict[str, Any]]) -> str:
    """Publications as lines, oldest first."""
    if not rows:
        return "no publication yet"
    return "\n".join(
        f"{row['publication_id']}  {row['status']:<8} {row['rows']['topn_user']:>8} users  "
        + "  ".join(f"{name} {row['metrics'][name]:.4f}" for name in _shown(row))
        for row in rows
    )


def _shown(row: dict[str, Any]) -> list[str]:
    return [name for name in sorted(row["metrics"]) if name.startswith(("ndcg", "recall"))]


def dataset_status(*, dataset: str, lake: str) -> dict[str, Any]:
    """What is live, its decision, and the conservation of rows over all batches."""
    home, settings = dataset_home(dataset, lake)
    live = read_current(home)
    sealed = {each["publication_id"]: each for each in manifests(home)}
    batches = read_rows(home, "batches", status="complete")
    rows = sum(standing(batches).values(), Conservation())
    late = read_rows(home, "lateness")
    newest = max((row[c.BATCH_SEQ] for row in late), default=0)
    runs = read_rows(home, "runs")
    run = max(runs, key=lambda row: (row[c.AS_OF], row[c.HORIZON]))[c.RUN_ID] if runs else None
    suspected = read_rows(home, "suspects", run_id=run)
    decision = read_rows(home, "decisions", run_id=live) if live else []
    return {
        "dataset": settings.dataset.name,
        "home": str(home),
        "live": live,
        "metrics": sealed.get(live or "", {}).get("metrics", {}),
        "decision": decision[0]["reasons"] if decision else [],
        "files": rows.files,
        "rows": {
            c.LANDED: rows.landed,
            c.ACCEPTED: rows.accepted,
            c.QUARANTINED: rows.quarantined,
            c.DUPLICATE: rows.duplicate,
        },
        "publications": len(sealed),
        "lateness": {
            "all": lateness_summary(late),
            "newest": lateness_summary(row for row in late if row[c.BATCH_SEQ] == newest),
        },
        "hours_ahead": _hours_ahead(batches),
        "run": run,
        "freshness": [_plain(row) for row in read_rows(home, "freshness", run_id=run)],
        "suspects": {
            "days": len(suspected),
            "users": len({row[c.USER_KEY] for row in suspected}),
            "events": sum(row[c.EVENTS] for row in suspected),
        },
    }


def _hours_ahead(batches: Iterable[Mapping[str, Any]]) -> float:
    """By how much the newest event's clock is ahead of its landing's; 0 where none is."""
    ahead = (
        row[c.NEWEST_TIME] - row[c.TAKEN_AT]
        for row in batches
        if row["source"] == "events" and row[c.NEWEST_TIME] is not None
    )
    return max(max(ahead, default=dt.timedelta()) / dt.timedelta(hours=1), 0.0)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose instants are text."""
    return {
        key: value.isoformat() if isinstance(value, dt.datetime) else value
        for key, value in row.items()
    }


def _lateness_text(name: str, found: Mapping[str, int]) -> str:
    days = ", ".join(f"{key} {found[key]}" for key in found if key.startswith("p"))
    return f"late: {found['late']} of {found['events']} events of {name}; days late: {days}"


def status_text(found: dict[str, Any]) -> str:
    """The status as lines."""
    rows = found["rows"]
    lines = [
        f"dataset {found['dataset']} in {found['home']}",
        f"live: {found['live'] or 'nothing yet'} ({found['publications']} publications)",
        f"rows: {rows['landed']} landed from {found['files']} files = {rows['accepted']} accepted "
        f"+ {rows['quarantined']} quarantined + {rows['duplicate']} duplicate",
        _lateness_text("the newest batch", found["lateness"]["newest"]),
        _lateness_text("all batches", found["lateness"]["all"]),
        *(
            f"clock: an event's time is {hours:.1f} hours after its landing"
            for hours in [found["hours_ahead"]]
            if hours
        ),
        *(
            f"freshness: {row[c.STATE]}: {age_sentence(row)} of run {row[c.RUN_ID]}"
            for row in found["freshness"]
        ),
        "suspects: {days} days of {users} users; their {events} events train nothing".format(
            **found["suspects"]
        ),
        *(f"  {name}: {value:.4f}" for name, value in sorted(found["metrics"].items())),
        *(f"  gate: {reason}" for reason in found["decision"]),
    ]
    return "\n".join(lines)


def roll_back(*, dataset: str, lake: str, to: str | None) -> str:
    """Move the live pointer back and say so."""
    home, settings = dataset_home(dataset, lake)
    move = rollback(home, to=to, actor=actor(), at=dt.datetime.now(dt.UTC))
    name_champion(home, settings, move.current)
    return f"live: {move.current} (before: {move.before})"


def vacuum_dataset(*, dataset: str, lake: str, keep_hours: float, dry_run: bool) -> list[str]:
    """Remove files that no kept version of a table names; a sentence a table, then the sum."""
    home, _ = dataset_home(dataset, lake)
    with write_lock(home):
        found = vacuum(home, keep_hours=keep_hours, now=dt.datetime.now(dt.UTC), dry_run=dry_run)
    lines = [
        f"{each.table}: {each.files} files"
        + (f", {each.folders} folders of killed writes" if each.folders else "")
        for each in found
    ]
    done = "would be removed" if dry_run else "removed"
    return [*lines, f"{sum(each.files for each in found)} files {done}"]


def copy_live_exports(to: Path, *, dataset: str, lake: str) -> str:
    """Copy the live publication's plain exports, each file verified, and say so."""
    home, _ = dataset_home(dataset, lake)
    publication_id = live_publication(home)
    manifest = copy_exports(export_folder(home, publication_id), to)
    return f"{to}: {len(manifest['files'])} files of publication {publication_id}, all verified"


def serve_live(*, dataset: str, lake: str, host: str | None, port: int | None) -> None:
    """Serve the live publication until interrupted."""
    from recsys_batch.edge.service import serve

    home, settings = dataset_home(dataset, lake)
    key, _ = load_key(create=False)
    serve(
        home,
        host=host or settings.edge.host,
        port=settings.edge.port if port is None else port,
        user_key=key.user_key,
        n=settings.edge.n,
        max_age_seconds=settings.edge.max_age_seconds,
    )


def first_listed_user(home: Path, users: list[str]) -> str | None:
    """The first of raw user ids that has a list of their own, for showing one."""
    key, _ = load_key(create=False)
    with EdgeStore(store_folder(home, live_publication(home))) as store:
        for user in users:
            found = look_up(store.get, user_key=key.user_key(user), region=None)
            if found and found[0] == "user":
                return user
    return None
