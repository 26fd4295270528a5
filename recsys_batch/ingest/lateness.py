"""Lateness: how many days after newer events of the same source an event landed.

The watermark of a batch is the newest event day that earlier batches brought. An event is as many
days late as its day lies before that watermark: what a feed brings in order is never late,
whether it lands day by day or in one bulk load, and days without trade count for nothing. No clock
takes part.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from recsys_batch import columns as c

PERCENTILES = (50, 95, 99, 100)


def watermark(batches: Iterable[Mapping[str, Any]], *, source: str) -> dt.date | None:
    """The newest event day (UTC) that complete batches of a source brought."""
    times = (row[c.NEWEST_TIME] for row in batches if row["source"] == source)
    return max((time.astimezone(dt.UTC).date() for time in times if time), default=None)


def lateness_rows(
    days: Mapping[dt.date, int], *, seq: int, before: dt.date | None
) -> list[dict[str, Any]]:
    """The rows of `lateness` of one batch.

    Parameters
    ----------
    days
        Accepted events by UTC day.
    seq
        The batch.
    before
        Its watermark; None where nothing came before it, and so nothing is late.
    """
    late: dict[int, int] = {}
    for day, events in days.items():
        by = max(0, (before - day).days) if before else 0
        late[by] = late.get(by, 0) + events
    rows, so_far, every = [], 0, sum(late.values())
    for by, events in sorted(late.items()):
        so_far += events
        row = {c.BATCH_SEQ: seq, c.DAYS_LATE: by, c.EVENTS: events, c.SHARE: so_far / every}
        rows.append(row)
    return rows


def lateness_summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Events, how many of them were late, and percentiles (nearest rank) of days late.

    Returns
    -------
    dict
        events, late, and p50, p95, p99, p100 in days; zeros where there are no rows.
    """
    counted: dict[int, int] = {}
    for row in rows:
        counted[row[c.DAYS_LATE]] = counted.get(row[c.DAYS_LATE], 0) + row[c.EVENTS]
    every = sum(counted.values())
    found = {"events": every, "late": every - counted.get(0, 0)}
    for percentile in PERCENTILES:
        rank, so_far, value = -(-every * percentile // 100), 0, 0
        for by, events in sorted(counted.items()):
            value, so_far = by, so_far + events
            if so_far >= rank:
                break
        found[f"p{percentile}"] = value
    return found
