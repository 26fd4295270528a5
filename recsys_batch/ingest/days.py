"""What each batch brought of each day: its events in numbers, from which a run's digest is made."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from recsys_batch import columns as c
from recsys_batch.errors import InputDataError
from recsys_batch.lake.digests import FIRST, ROWS, SECOND, digest_of, row_sums
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.runs import Run
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES

_CONTENT = tuple(name for name in TABLES["events"].names if name != c.BATCH_SEQ)


def events_digest(lake: Lake, *, last_day: dt.date, horizon: int) -> tuple[str, int]:
    """Digest and number of the events up to a day from batches up to `horizon`.

    Only batches that were never counted are read.
    """
    from pyspark.sql import functions as F

    counted = read_rows(lake.home, "event_days")
    last = max((row[c.BATCH_SEQ] for row in counted), default=0)
    if last < horizon:
        fresh = lake.read("events").where(F.col(c.BATCH_SEQ).between(last + 1, horizon))
        sums = fresh.groupBy(c.BATCH_SEQ, c.EVENT_DATE).agg(*row_sums(_CONTENT)).collect()
        by_batch: dict[int, list[dict[str, Any]]] = {}
        for row in sums:
            by_batch.setdefault(row[c.BATCH_SEQ], []).append(row.asDict())
        for seq in sorted(by_batch):  # in this order, so that a kill leaves no gap
            replace_rows(lake.home, "event_days", by_batch[seq], **{c.BATCH_SEQ: seq})
        counted = read_rows(lake.home, "event_days")
    seen = [
        (row[ROWS], row[FIRST], row[SECOND])
        for row in counted
        if row[c.BATCH_SEQ] <= horizon and row[c.EVENT_DATE] <= last_day
    ]
    return digest_of(_CONTENT, seen)


def require_events(lake: Lake, rows: int, *, last_day: dt.date) -> None:
    """Refuse a day up to which there are no events.

    Raises
    ------
    InputDataError
        `rows` is zero.
    """
    if rows:
        return
    first = min((row[c.EVENT_DATE] for row in read_rows(lake.home, "event_days")), default=None)
    raise InputDataError(
        f"there are no events up to {last_day}" + (f"; the first is of {first}" if first else ""),
        where=lake.path("events"),
        fix="choose a later --date, or land files of that time",
    )


def touched_days(home: Path, run: Run, before: Run | None) -> tuple[dt.date, ...]:
    """Days of which a run sees events that an earlier one did not; its last day where none.

    Parameters
    ----------
    before
        None: every day is new.
    """
    fresh = {
        row[c.EVENT_DATE]
        for row in _seen(home, run)
        if before is None or row[c.BATCH_SEQ] > before.horizon or row[c.EVENT_DATE] > before.as_of
    }
    return tuple(sorted(fresh or {last_day(home, run)}))


def last_day(home: Path, run: Run) -> dt.date:
    """The last day of which a run sees an event; it sees one."""
    day: dt.date = max(row[c.EVENT_DATE] for row in _seen(home, run))
    return day


def _seen(home: Path, run: Run) -> list[dict[str, Any]]:
    return [
        row
        for row in read_rows(home, "event_days")
        if row[c.BATCH_SEQ] <= run.horizon and row[c.EVENT_DATE] <= run.as_of
    ]
