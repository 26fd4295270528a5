"""Property: whatever repeats, comes late or is broken, silver holds each event exactly once.

The oracle is a dozen lines of Python over the same lines.
"""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from pathlib import Path

import pytest
from faults.soak import TIMES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recsys_batch.lake.ledger import read_rows

from .shops import KEY, Shop, shop

pytestmark = pytest.mark.spark

HEAD = "id,ts,u,i,q"
BROKEN = {
    "never": "bad_time",
    "": "missing_time",
    "2031-01-01": "future_time",
    "1970-01-01": "time_out_of_range",
}
USERS, ITEMS = ("", "u1", "u2"), ("a", '"b, ""c"""')

# (id, days into January, user, item, what is wrong): few values, so that much is repeated
Line = tuple[str, int, str, str, str | None]
good: st.SearchStrategy[Line] = st.tuples(
    st.sampled_from(["", "", "e1", "e2", "e3"]),
    st.integers(1, 4),
    st.sampled_from(USERS),
    st.sampled_from(ITEMS),
    st.none(),
)
bad: st.SearchStrategy[Line] = st.tuples(
    st.sampled_from(["", "e1", "e2"]),
    st.just(1),
    st.sampled_from(USERS),
    st.sampled_from(ITEMS),
    st.sampled_from([*BROKEN, "short", "binary"]),
)
files = st.lists(st.lists(st.one_of(good, good, good, bad), max_size=12), min_size=1, max_size=3)
streams = st.lists(files, min_size=1, max_size=2)


def text(line: Line) -> bytes:
    given_id, day, user, item, wrong = line
    if wrong == "short":
        return b"too,short"
    if wrong == "binary":
        return f"{given_id},2026-01-01,{user},".encode() + b"\xff,1"
    time = f"2026-01-{day:02}T12:00:00Z" if wrong is None else wrong
    return f"{given_id},{time},{user},{item},1".encode()


def meaning(line: Line) -> tuple[object, ...]:
    given_id, day, user, item, _ = line
    key = KEY.user_key(user) if user else None
    item = next(csv.reader([item]))[0]
    return (given_id or (day, user, item), dt.date(2026, 1, day), key, item)


def fates(stream: list[list[list[Line]]]) -> tuple[list[tuple[object, ...]], dict[str, list[int]]]:
    """Accepted rows, and accepted, quarantined and duplicate lines of each file taken."""
    ids: set[object] = set()
    contents: set[bytes] = set()
    accepted: list[tuple[object, ...]] = []
    counts: dict[str, list[int]] = {}
    for batch, several in enumerate(stream):
        for place, lines in enumerate(several):
            content = b"\n".join(text(line) for line in lines)
            if content in contents:
                continue
            contents.add(content)
            count = counts[f"{batch}-{place}.csv"] = [0, 0, 0]
            for line in lines:
                row = meaning(line)
                if line[4] is not None:
                    count[1] += 1
                elif row[0] in ids:
                    count[2] += 1
                else:
                    ids.add(row[0])
                    accepted.append(row[1:])
                    count[0] += 1
    return accepted, counts


CLEAN: Line = ("", 1, "u1", "a", None)
TORN: list[list[list[Line]]] = [
    [
        [("e1", 1, "u1", "a", "never"), ("e1", 1, "u1", "a", None), CLEAN, CLEAN],
        [("e1", 3, "u2", "a", None), ("", 1, "u1", "a", "binary"), CLEAN],
        [],
    ],
    [[("e1", 4, "", "a", None), CLEAN, ("e2", 2, "", ITEMS[1], None)], [CLEAN], [CLEAN]],
]


@settings(
    max_examples=4 * TIMES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stream=streams)
@example(stream=TORN)
def test_a_dirty_stream_is_taken_exactly_once(
    spark: SparkSession, tmp_path: Path, stream: list[list[list[Line]]]
) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    mapping = shop(fields={"event_id": "id", "user_id": "u", "item_id": "i", "quantity": "q"})
    made = Shop(spark, tmp_path, mapping)
    for batch, several in enumerate(stream):
        made.take(
            {
                f"{batch}-{place}.csv": b"\n".join([HEAD.encode(), *map(text, lines)]) + b"\n"
                for place, lines in enumerate(several)
            }
        )
    accepted, counts = fates(stream)
    found = made.rows("events", "event_date", "user_key", "item_id")
    assert sorted(map(str, found)) == sorted(map(str, accepted))
    batches = read_rows(made.lake.home, "batches")
    names = ("accepted", "quarantined", "duplicate")
    assert {row["file"]: [row[name] for name in names] for row in batches} == counts
    assert all(row["landed"] == sum(row[name] for name in names) for row in batches)
    reasons = [row[0] for row in made.rows("quarantine", "reason")]
    assert len(reasons) == sum(count[1] for count in counts.values())
