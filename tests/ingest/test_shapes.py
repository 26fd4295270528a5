"""What breaks a mapping and what does not, on shapes written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from recsys_batch.config import EventMapping
from recsys_batch.ingest.parse import mentions
from recsys_batch.ingest.shapes import LEAST, Shape, changes, declared

from .shops import shop

CSV = shop().events
JSON = shop(format="jsonl").events
COLUMNS = {"ts": {"text": 0}, "u": {"text": 0}, "i": {"text": 0}, "q": {"text": 0}}


def told(before: Shape, now: Shape, mapping: EventMapping = CSV) -> list[tuple[str, bool]]:
    return [(str(each), each.breaking) for each in changes(before, now, mapping=mapping)]


def test_a_new_column_and_one_that_no_field_needs_are_told_and_break_nothing() -> None:
    more = {**COLUMNS, "colour": {"text": 0}}
    assert told(Shape(COLUMNS), Shape(more)) == [("colour: before absent, now text", False)]
    assert told(Shape(more), Shape(COLUMNS)) == [("colour: before text, now absent", False)]
    assert told(Shape(COLUMNS), Shape(COLUMNS)) == []


@pytest.mark.parametrize(
    ("before", "now", "breaks"),
    [
        ((LEAST, 0), (0, LEAST), True),
        ((LEAST, LEAST), (0, LEAST), True),
        ((LEAST, LEAST + 1), (0, LEAST), False),  # was mostly unreadable
        ((LEAST - 1, 0), (0, 10_000), False),  # too little is known of before
        ((10_000, 0), (0, LEAST - 1), False),  # too little came
        ((10_000, 0), (1, 10_000), False),  # some can be read
        ((0, 10_000), (LEAST, 0), False),  # became readable
    ],
)
def test_a_field_breaks_when_it_was_mostly_read_and_no_value_is(
    before: tuple[int, int], now: tuple[int, int], breaks: bool
) -> None:
    was, found = (Shape(COLUMNS, {"quantity": each}) for each in (before, now))
    assert [breaking for _, breaking in told(was, found)] == [True] * breaks


@pytest.mark.parametrize(
    ("before", "now", "breaks"),
    [
        ({"number": LEAST}, {"text": LEAST}, True),
        ({"number": LEAST}, {"number": 1, "text": 10_000}, False),
        ({"number": LEAST, "text": 1}, {"text": LEAST}, False),
        ({"number": LEAST - 1}, {"text": 10_000}, False),
        ({"number": 10_000}, {"text": LEAST - 1}, False),
        ({"number": LEAST}, {}, False),  # nulls only
    ],
)
def test_a_json_type_breaks_when_it_changed_as_a_whole(
    before: dict[str, int], now: dict[str, int], breaks: bool
) -> None:
    was, found = (Shape({**COLUMNS, "q": each}) for each in (before, now))
    line = ("q: before number, now text", True)
    assert told(was, found, JSON) == [line] * breaks
    was, found = (Shape({**COLUMNS, "unmapped": each}) for each in (before, now))
    assert [breaking for _, breaking in told(was, found, JSON)] == [False] * breaks


@pytest.mark.parametrize(
    ("column", "file_format", "name", "kind"),
    [
        ("Item Id", "csv", "item id", "text"),
        ("`Item ``Id``` BIGINT", "parquet", "item `id`", "number"),
        ("`a` DECIMAL(10,2)", "parquet", "a", "number"),
        ("`b` STRUCT<`x y`: INT>", "parquet", "b", "object"),
        ("`c` TIMESTAMP_NTZ", "parquet", "c", "time"),
    ],
)
def test_declared_columns(column: str, file_format: str, name: str, kind: str) -> None:
    found, kinds = declared(column, file_format)
    assert (found, list(kinds)) == (name, [kind])


def test_a_declared_type_needs_no_evidence() -> None:
    was, found = (
        Shape(dict([declared(f"`q` {kind}", "parquet")])) for kind in ("BIGINT", "STRING")
    )
    wider = Shape(dict([declared("`q` DOUBLE", "parquet")]))
    assert told(was, found) == [("q: before number, now text", True)]
    assert told(was, wider) == []


def test_a_json_key_may_be_missing_for_a_day() -> None:
    assert told(Shape(COLUMNS), Shape({"ts": {"text": 1}}), JSON) == []


@pytest.mark.parametrize(
    ("values", "lines", "breaks"),
    [
        ({"gift": LEAST}, LEAST * 100, True),  # the share itself is enough
        ({"gift": LEAST}, LEAST * 100 + 1, False),
        ({"gift": LEAST - 1}, LEAST - 1, False),
        ({"gift": LEAST - 1, "swap": 1}, LEAST, True),
        ({"known": 10_000}, 10_000, False),
    ],
)
def test_event_types_never_seen_break_above_their_share(
    values: dict[str, int], lines: int, breaks: bool
) -> None:
    before = Shape(COLUMNS, values={("kind", "known"): 1})
    now = Shape(COLUMNS, values={("kind", each): n for each, n in values.items()}, lines=lines)
    found = changes(before, now, mapping=CSV)
    assert [each.value for each in found] == [each for each in values if each != "known"]
    assert {each.breaking for each in found} <= {breaks}


@pytest.mark.parametrize(
    ("expression", "column", "named"),
    [
        ("Unit Price", "unit price", True),
        ("replace(`Unit Price`, ',', '.')", "unit price", True),
        ("try_cast(Q AS INT)", "q", True),
        ("quantity", "q", False),
        ("kind = 'q'", "q", False),
        ("a.b", "a.b", True),
    ],
)
def test_expressions_name_columns(expression: str, column: str, named: Any) -> None:
    assert mentions(expression, column) is named
