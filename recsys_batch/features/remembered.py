"""States kept from run to run, so that a day's run reads the events that are new to it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.features.history import unread_events, visible_events
from recsys_batch.features.state import Clock, fold, fold_facts, merged, merged_facts
from recsys_batch.features.suspects import without_suspects
from recsys_batch.lake.digests import code_version
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_EVERY = 7  # days from one stored state to the next
_KEPT = 8  # stored states, those written last
_TABLES = ("state_pairs", "state_facts")


def past_state(
    lake: Lake, *, clock: Clock, until: dt.datetime, horizon: int, suspects: DataFrame
) -> tuple[DataFrame, DataFrame]:
    """States and item facts of the events before `until` from batches up to `horizon`.

    Of the nearest stored state before it and of the events since, one under another, else of all
    events; `recsys_batch.features.state.merged` adds them up to the same rows. Where none of the
    last week is stored, what was made is added up and stored for runs to come.

    Parameters
    ----------
    clock
        States of another clock, or made by other code, are not built upon.
    suspects
        user_key and event_date of what is left out. A state that was made before a late event
        made a day suspect, or cleared one, is not built upon.
    """
    from pyspark.sql import functions as F

    of = hashlib.sha256(f"{clock}:{code_version()}".encode()).hexdigest()[:16]
    left_out = [tuple(row) for row in suspects.select(c.EVENT_DATE, c.USER_KEY).collect()]
    known = [
        row
        for row in read_rows(lake.home, "states", made_with=of)
        if row["until"] <= until.date()
        and row[c.HORIZON] <= horizon
        and row["suspects_digest"] == _digest(left_out, row["until"])
    ]
    nearest = max(known, key=lambda row: (row["until"], row[c.HORIZON]), default=None)
    state, facts = _made(
        lake, nearest, clock=clock, until=until, horizon=horizon, suspects=suspects
    )
    if nearest is not None and (until.date() - nearest["until"]).days < _EVERY:
        return state, facts
    without = _digest(left_out, until.date())
    state_id = f"{until.date()}-{horizon}-{of}-{without}"
    for name, frame in zip(_TABLES, (merged(state), facts), strict=True):
        rows = frame.withColumn("state_id", F.lit(state_id)).coalesce(2)
        lake.replace(name, rows, state_id=state_id)
    _record(
        lake,
        {
            "state_id": state_id,
            "made_with": of,
            "until": until.date(),
            c.HORIZON: horizon,
            "suspects_digest": without,
        },
    )
    pairs, facts = (lake.read(name, state_id=state_id).drop("state_id") for name in _TABLES)
    return pairs, facts


def _made(
    lake: Lake,
    nearest: dict[str, object] | None,
    *,
    clock: Clock,
    until: dt.datetime,
    horizon: int,
    suspects: DataFrame,
) -> tuple[DataFrame, DataFrame]:
    if nearest is None:
        seen = visible_events(lake.read("events"), until=until, horizon=horizon)
        seen = without_suspects(seen, suspects)
        return fold(seen, clock), fold_facts(seen)
    day, read_horizon = nearest["until"], nearest[c.HORIZON]
    assert isinstance(day, dt.date)
    assert isinstance(read_horizon, int)
    unread = unread_events(
        lake,
        until=until,
        horizon=horizon,
        read_until=dt.datetime.combine(day, dt.time(), dt.UTC),
        read_horizon=read_horizon,
    )
    unread = without_suspects(unread, suspects)
    pairs, facts = (
        lake.read(name, state_id=nearest["state_id"]).drop("state_id") for name in _TABLES
    )
    return (
        pairs.unionByName(fold(unread, clock)),
        merged_facts(facts, fold_facts(unread)),
    )


def _digest(days: list[tuple[dt.date, str]], until: dt.date) -> str:
    """Digest of the suspect days before `until`."""
    before = sorted(f"{day} {user}" for day, user in days if day < until)
    return hashlib.sha256("\n".join(before).encode()).hexdigest()[:16]


def _record(lake: Lake, state: dict[str, object]) -> None:
    """Name a state in the ledger, and remove those that are too many."""
    rows = [row for row in read_rows(lake.home, "states") if row["state_id"] != state["state_id"]]
    seq = 1 + max((row["seq"] for row in rows), default=0)
    replace_rows(lake.home, "states", [{**state, "seq": seq}], state_id=state["state_id"])
    for old in sorted(rows, key=lambda each: each["seq"])[: -_KEPT + 1]:
        replace_rows(lake.home, "states", [], state_id=old["state_id"])
        for name in _TABLES:
            replace_rows(lake.home, name, [], state_id=old["state_id"])
