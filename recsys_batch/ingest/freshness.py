"""Freshness: how old a source's newest record is at the end of a run's logical day.

The day's end and not the clock is what an age is measured from, so that a backfill of a past day
judges as that day's own run did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_batch import columns as c
from recsys_batch.config import Dataset, Freshness, SourceName
from recsys_batch.errors import StaleSourceError
from recsys_batch.ingest.batch import landings, sources
from recsys_batch.ingest.days import newest_times
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.logs import LOG

_HOUR, _DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def source_ages(
    home: Path,
    batches: Iterable[Mapping[str, Any]],
    *,
    day: dt.date,
    horizon: int,
    dataset: Dataset,
) -> list[dict[str, Any]]:
    """How fresh each source of a data set is at a day's end, measured on what a run sees of it.

    Parameters
    ----------
    batches
        Complete rows of the table `batches`.
    day
        The logical day (UTC).
    horizon
        The run's last batch; those up to it are counted (`recsys_batch.ingest.days`).

    Returns
    -------
    list of dict
        A row of `freshness` a source, without the run.
    """
    seen = [row for row in batches if row[c.BATCH_SEQ] <= horizon]
    until = dt.datetime.combine(day, dt.time(), dt.UTC) + _DAY
    newest = newest_times(home, last_day=day, horizon=horizon)
    return [
        judged_age(
            source.name,
            until=until,
            newest=newest[source.table],
            landed=max((row[c.TAKEN_AT] for row in landings(seen, source.name)), default=None),
            limits=dataset.freshness.get(source.name, Freshness()),
        )
        for source in sources(dataset)
    ]


def judged_age(
    source: str,
    *,
    until: dt.datetime,
    newest: dt.datetime | None,
    landed: dt.datetime | None,
    limits: Freshness,
) -> dict[str, Any]:
    """Age and state of a source.

    Parameters
    ----------
    newest
        Latest time before `until` among its records; None where they carry no time, and the
        newest landing stands for it.
    landed
        When its newest file was taken. A source that never landed has no age and is as stale as
        can be.
    limits
        Ages at which it is stale.
    """
    since = newest or landed
    age = None if since is None else max(until - since, dt.timedelta()) / _HOUR
    state = "fresh"
    for name, limit in (("warn", limits.warn_after_hours), ("fail", limits.fail_after_hours)):
        if limit is not None and (age is None or age > limit):
            state = name
    return {
        "source": source,
        c.NEWEST_TIME: newest,
        c.TAKEN_AT: landed,
        c.AGE_HOURS: age,
        c.STATE: state,
    }


def age_sentence(row: Mapping[str, Any]) -> str:
    """What is to be said of a source's freshness."""
    if row[c.AGE_HOURS] is None:
        return f"{row['source']} never landed"
    return f"the newest of {row['source']} is {row[c.AGE_HOURS]:.1f} hours old at the day's end"


def check_freshness(
    home: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    run_id: str,
    limits: Mapping[SourceName, Freshness],
    say: Callable[[str], None],
) -> None:
    """Store how fresh the sources of a run are, warn of the stale, and refuse the too old.

    Raises
    ------
    StaleSourceError
        A source is older than its `fail_after_hours`.
    """
    stored = [{**row, c.RUN_ID: run_id} for row in rows]
    replace_rows(home, "freshness", stored, **{c.RUN_ID: run_id})
    for row in rows:
        if row[c.STATE] == "warn":
            limit = limits[row["source"]].warn_after_hours
            LOG.warning("stale source: %s", age_sentence(row))
            say(f"warning: {age_sentence(row)}; expected at most {limit:g}")
    for row in rows:
        if row[c.STATE] == "fail":
            limit = limits[row["source"]].fail_after_hours
            raise StaleSourceError(
                f"{age_sentence(row)}; expected at most {limit:g}",
                where=f"freshness.{row['source']}.fail_after_hours",
                fix="land the missing files and run again, choose an earlier --date, or raise the "
                "limit in the dataset's YAML",
            )
