"""What each batch brought of each day, in numbers: from them digests, days and ages are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch import columns as c
from recsys_batch.errors import InputDataError
from recsys_batch.ingest.pseudonyms import content_digest
from recsys_batch.lake.digests import digest_of, row_sums
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.runs import Run
from recsys_batch.lake.store import Lake
from recsys_batch.lake.tables import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LEDGER, _DAY, _NEWEST = "batch_days", "day", "newest"
# The tables that batches write, and the time of their rows.
_TIMES = {
    "events": c.EVENT_TIME,
    "catalogue": c.VALID_FROM,
    "profiles": c.VALID_FROM,
    "consents": c.STATED_AT,
}


def count_batches(lake: Lake, *, horizon: int) -> None:
    """Count what batches up to `horizon` brought, of those that were never counted."""
    last = max((row[c.BATCH_SEQ] for row in read_rows(lake.home, _LEDGER)), default=0)
    fresh = [name for name in _TIMES if last < horizon and lake.holds(name, after=last)]
    if not fresh:
        return
    counted = reduce(
        lambda one, other: one.unionByName(other),
        (_counted(lake.read(name, after=last), name) for name in fresh),
    )
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    by_batch: dict[int, list[dict[str, Any]]] = {}
    for found in counted.collect():
        row = found.asDict()
        micros = row.pop("micros")
        row[_NEWEST] = None if micros is None else epoch + dt.timedelta(microseconds=micros)
        by_batch.setdefault(row[c.BATCH_SEQ], []).append(row)
    for seq in sorted(by_batch):  # in this order, so that a kill leaves no gap
        if seq <= horizon:
            replace_rows(lake.home, _LEDGER, by_batch[seq], **{c.BATCH_SEQ: seq})


def _counted(rows: DataFrame, name: str) -> DataFrame:
    from pyspark.sql import functions as F

    if name == "consents":  # statements in other files are told with those files
        rows = rows.where(F.col(c.SOURCE) == "consents")
    micros = F.unix_micros(_TIMES[name])
    day = F.date_from_unix_date(F.floor(micros / 86_400e6).cast("int"))
    content = tuple(each for each in TABLES[name].names if each != c.BATCH_SEQ)
    return rows.groupBy(c.BATCH_SEQ, F.lit(name).alias("table"), day.alias(_DAY)).agg(
        *row_sums(content), F.max(micros).alias("micros")
    )


def inputs_digest(home: Path, *, last_day: dt.date, horizon: int, heeded: str) -> tuple[str, int]:
    """Digest of what a run reads of counted batches up to `horizon`, and number of its events.

    Rows without a time are read on every day.

    Parameters
    ----------
    heeded
        Digest of the refusals of consent that count.
    """
    found, known = {}, read_rows(home, _LEDGER)
    for table in ("events", "catalogue", "profiles"):
        seen = _visible(known, table, last_day=last_day, horizon=horizon)
        content = tuple(name for name in TABLES[table].names if name != c.BATCH_SEQ)
        found[table] = digest_of(content, seen)
    digest = content_digest(*(each for each, _ in found.values()), heeded)
    return digest, found["events"][1]


def first_day(home: Path, *, horizon: int) -> dt.date:
    """The first day of which counted batches up to `horizon` brought events; there must be one."""
    seen = (row for row in read_rows(home, _LEDGER, table="events") if row[c.BATCH_SEQ] <= horizon)
    first: dt.date = min(row[_DAY] for row in seen)
    return first


def newest_times(home: Path, *, last_day: dt.date, horizon: int) -> dict[str, dt.datetime | None]:
    """The latest time of each table's rows up to a day; None where they have no time."""
    known = read_rows(home, _LEDGER)
    newest = {}
    for table in _TIMES:
        seen = _visible(known, table, last_day=last_day, horizon=horizon)
        times = (row[_NEWEST] for row in seen if row[_NEWEST] is not None)
        newest[table] = max(times, default=None)
    return newest


def require_events(lake: Lake, rows: int, *, last_day: dt.date) -> None:
    """Refuse a day up to which there are no events.

    Raises
    ------
    InputDataError
        `rows` is zero.
    """
    if rows:
        return
    first = min((row[_DAY] for row in read_rows(lake.home, _LEDGER, table="events")), default=None)
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
    known = read_rows(home, _LEDGER)
    seen = list(_visible(known, "events", last_day=run.as_of, horizon=run.horizon))
    fresh = {
        row[_DAY]
        for row in seen
        if before is None or row[c.BATCH_SEQ] > before.horizon or row[_DAY] > before.as_of
    }
    return tuple(sorted(fresh or {max(row[_DAY] for row in seen)}))


def _visible(
    known: Iterable[dict[str, Any]], table: str, *, last_day: dt.date, horizon: int
) -> Iterator[dict[str, Any]]:
    """Of the ledger's rows those of a table that a run sees."""
    for row in known:
        seen = row[_DAY] is None or row[_DAY] <= last_day
        if row["table"] == table and row[c.BATCH_SEQ] <= horizon and seen:
            yield row
