"""What is kept of shapes, without Spark: once a batch, and only what was accepted is history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys_batch.errors import ContractError, MappingError
from recsys_batch.ingest.evolution import Watch
from recsys_batch.ingest.schema_ledger import forget, history, record
from recsys_batch.ingest.shapes import Change, Shape, changes
from recsys_batch.lake.ledger import read_rows

from .shops import shop

MAPPING = shop().events
SHAPE = Shape(
    {"ts": {"text": 0}, "q": {"number": 3, "text": 1}, "x": {}},
    {"quantity": (3, 1), "event_type": (4, 0)},
    {("kind", "gift"): 2},
    4,
)


def keep(home: Path, shape: Shape, *found: Change, **given: Any) -> None:
    batch = {"verdict": "accepted", "version": 1, "batch_seq": 1, "batch_id": "a", **given}
    record(home, "events", shape, found, **batch)


def rows(home: Path) -> list[str]:
    return sorted(map(str, read_rows(home, "schemas")))


def test_history_adds_up_the_accepted_batches_of_a_version(tmp_path: Path) -> None:
    assert history(tmp_path, "events", 1) is None
    keep(tmp_path, SHAPE)
    once = history(tmp_path, "events", 1)
    assert once == Shape(SHAPE.columns, SHAPE.fields, SHAPE.values)
    assert changes(once, SHAPE, mapping=MAPPING) == ()
    keep(tmp_path, SHAPE, batch_seq=2, batch_id="b")
    keep(tmp_path, Shape({"other": {}}), verdict="refused", batch_seq=3, batch_id="c")
    assert history(tmp_path, "events", 1) == Shape(
        {"ts": {"text": 0}, "q": {"number": 6, "text": 2}, "x": {}},
        {"quantity": (6, 2), "event_type": (8, 0)},
        {("kind", "gift"): 4},
    )
    assert history(tmp_path, "events", 2) is None
    assert history(tmp_path, "items", 1) is None


def test_a_column_that_went_is_news_once_and_again_when_it_comes_back(tmp_path: Path) -> None:
    less = Shape({"ts": {"text": 0}})
    more = Shape({"ts": {"text": 0}, "x": {"text": 0}})
    seen = []
    for seq, shape in enumerate((more, less, less, more), start=1):
        before = history(tmp_path, "events", 1)
        found = () if before is None else changes(before, shape, mapping=MAPPING)
        keep(tmp_path, shape, *found, batch_seq=seq, batch_id=str(seq))
        seen.append([str(each) for each in found])
    assert seen == [[], ["x: before text, now absent"], [], ["x: before absent, now text"]]
    kept = {(row["batch_seq"], row["change"]) for row in read_rows(tmp_path, "schemas")}
    assert {each for each in kept if each[1]} == {(2, seen[1][0]), (4, seen[3][0])}


def test_a_batch_is_recorded_once_and_forgotten_as_a_whole(tmp_path: Path) -> None:
    keep(tmp_path, SHAPE)
    first = rows(tmp_path)
    keep(tmp_path, SHAPE)
    assert rows(tmp_path) == first
    change = Change("value", "kind", "never seen", "'gift'", True, "gift")
    keep(tmp_path, SHAPE, change, verdict="refused", batch_seq=2, batch_id="b")
    refused = rows(tmp_path)
    keep(tmp_path, SHAPE, change, verdict="refused", batch_seq=7, batch_id="b")
    assert len(rows(tmp_path)) == len(refused)  # under its new number
    told = [row for row in read_rows(tmp_path, "schemas") if row["change"]]
    assert [(row["kind"], row["batch_seq"]) for row in told] == [("gift", 7)]
    keep(tmp_path, SHAPE, batch_seq=7, batch_id="b")
    forget(tmp_path, 7)
    assert history(tmp_path, "events", 1) == Shape(SHAPE.columns, SHAPE.fields, SHAPE.values)
    assert len(read_rows(tmp_path, "schemas", verdict="refused")) == len(refused) - len(first)


@pytest.mark.parametrize(
    ("known", "there", "gone"),
    [
        ({"q", "ts"}, ("ts", "u", "i"), True),
        ({"x", "ts"}, ("ts", "u", "i", "q"), False),  # no field needs x
        ({"q", "ts"}, ("TS", "u", "i", "Q"), False),
    ],
)
def test_a_mapping_is_at_fault_unless_a_column_that_it_needs_was_there(
    tmp_path: Path, known: set[str], there: tuple[str, ...], gone: bool
) -> None:
    watch = Watch(
        home=tmp_path,
        source="events",
        mapping=MAPPING,
        batch_seq=1,
        batch_id="a",
        groups={there: ["1.csv"]},
        columns={each.lower(): {"text": 0} for each in there},
        before=Shape({each: {"text": 0} for each in known}),
        say=lambda _line: None,
    )
    error = MappingError("there is no column", where="1.csv", fix="map another")
    if not gone:
        watch.refuse_missing(error)
        assert rows(tmp_path) == []
        return
    with pytest.raises(ContractError) as caught:
        watch.refuse_missing(error)
    assert "\n  q: before text, now absent in 1.csv\n" in str(caught.value)
    assert {row["verdict"] for row in read_rows(tmp_path, "schemas")} == {"refused"}
