"""Features of a run as small Arrow tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import pyarrow as pa

UNTIL = dt.date(2026, 1, 31)
Pair = tuple[str, str, float, str, bool, int]  # user, item, weight, type, seen, days ago

_TIME = pa.timestamp("us", tz="UTC")
INTERACTIONS = pa.schema(
    [
        ("user_key", pa.string()),
        ("item_id", pa.string()),
        ("weight", pa.float64()),
        ("event_type", pa.string()),
        ("seen", pa.bool_()),
        ("last_time", _TIME),
    ]
)
USERS = pa.schema(
    [
        ("user_key", pa.string()),
        ("region", pa.string()),
        ("cohort", pa.string()),
        ("least_age", pa.int32()),
    ]
)
ITEMS = pa.schema(
    [
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("category", pa.string()),
        ("description", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("recommendable", pa.bool_()),
        ("price", pa.float64()),
        ("first_time", _TIME),
    ]
)
POPULARITY = pa.schema(
    [("segment", pa.string()), ("item_id", pa.string()), ("score", pa.float64())]
)


def table(schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    """Rows as a table; what a row does not reach to is null."""
    full = [(*row, *[None] * (len(schema) - len(row))) for row in rows]
    columns = list(zip(*full, strict=True)) or [()] * len(schema)
    arrays = [pa.array(each, kind) for each, kind in zip(columns, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


def pairs(*rows: Pair) -> pa.Table:
    """Interactions, the last event at noon of a day so many days before `UNTIL`."""
    noon = dt.datetime.combine(UNTIL, dt.time(12), dt.UTC)
    return table(INTERACTIONS, [(*row[:5], noon - dt.timedelta(days=row[5])) for row in rows])


def items(
    ids: Sequence[str], *, blocked: Sequence[str] = (), titles: Mapping[str, str] | None = None
) -> pa.Table:
    """Items, of which `blocked` are not recommendable."""
    named = titles or {}
    return table(
        ITEMS, [(each, named.get(each), None, None, None, each not in blocked) for each in ids]
    )


def popularity(scores: Mapping[str | None, Mapping[str, float]]) -> pa.Table:
    """Scores by segment and item."""
    return table(
        POPULARITY,
        [(segment, item, score) for segment, own in scores.items() for item, score in own.items()],
    )
