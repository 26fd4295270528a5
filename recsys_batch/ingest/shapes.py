"""What files are like, and what differs between two of them.

A new column is no harm. What breaks the mapping: a column whose JSON or Parquet type changed, a
field of which no value can be read any more, an event type that no rule takes and no batch had.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys_batch import columns as c
from recsys_batch.config import EventMapping, SourceMapping
from recsys_batch.ingest.parse import mentions

# Values that must speak for what was, and as many for what is: a field that is read half the time
# fails twenty times in a row once in a million.
LEAST = 20
ABSENT = "absent"
UNNAMED = "no name of a type"  # stands for all values that look like none

# Kind to the beginnings of Spark's names of the types that Parquet declares
_FAMILIES = {
    "number": "TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL",
    "text": "STRING",
    "boolean": "BOOLEAN",
    "time": "DATE|TIMESTAMP",
    "object": "STRUCT|MAP",
    "array": "ARRAY",
    "binary": "BINARY",
}

Aspect = Literal["column", "field", "value"]


@dataclass(frozen=True)
class Shape:
    """What files are like.

    Attributes
    ----------
    columns
        Column, in small letters, to its kinds: ``text`` of CSV, what Parquet declares, or the JSON
        types of its values and how many there are of each.
    fields
        Contract column to its values that could be read, and to those that could not.
    values
        (column, value) of event types that no rule takes, to their lines; `UNNAMED` is the value
        of those that may be anything.
    lines
        Lines in all.
    """

    columns: Mapping[str, Mapping[str, int]]
    fields: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    values: Mapping[tuple[str, str], int] = field(default_factory=dict)
    lines: int = 0


@dataclass(frozen=True)
class Change:
    """A difference between two shapes.

    Attributes
    ----------
    value
        Of the aspect ``value``, the value of the column `name`.
    """

    aspect: Aspect
    name: str
    before: str
    now: str
    breaking: bool
    value: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: before {self.before}, now {self.now}"


def changes(before: Shape, now: Shape, *, mapping: SourceMapping) -> tuple[Change, ...]:
    """What differs, in the order columns, fields, values, by name.

    A column that is gone is no breaking change here: where a field needs it, the mapping does not
    resolve (`Watch.refuse_missing`).
    """
    return (
        *_column_changes(before, now, mapping),
        *_field_changes(before, now),
        *_value_changes(before, now, mapping),
    )


def _column_changes(before: Shape, now: Shape, mapping: SourceMapping) -> Iterator[Change]:
    for name in sorted({*before.columns, *now.columns}):
        was, found = before.columns.get(name), now.columns.get(name)
        if was is None or found is None:
            # Of JSON lines a key may be missing for a day; only a new one is news.
            if was is None or mapping.format != "jsonl":
                yield Change("column", name, kinds_text(was), kinds_text(found), breaking=False)
        elif _other_type(was, found, mapping):
            needed = needs(mapping, name)
            yield Change("column", name, kinds_text(was), kinds_text(found), breaking=needed)


def _other_type(was: Mapping[str, int], found: Mapping[str, int], mapping: SourceMapping) -> bool:
    """Whether a column's type changed: of Parquet in any file, otherwise in all values."""
    if mapping.format == "parquet":
        return not set(found) <= set(was)
    return not set(was) & set(found) and min(sum(was.values()), sum(found.values())) >= LEAST


def needs(mapping: SourceMapping, column: str) -> bool:
    """Whether a field, the time or a rule of types names a column."""
    expressions = [*mapping.fields.values()]
    if isinstance(mapping, EventMapping):
        expressions += [mapping.time, *(rule.when for rule in mapping.types)]
    return any(mentions(each, column) for each in expressions)


def declared(column: str, file_format: str) -> tuple[str, dict[str, int]]:
    """Name in small letters, and kinds, of a column as its files declare it.

    Text files declare a name, Parquet also a type (```item id` BIGINT``), which needs no evidence.
    """
    if file_format != "parquet":
        return column.lower(), {"text": 0}
    found = re.match(r"`((?:[^`]|``)*)` ", column)
    assert found is not None, column
    name, kind = found[1].replace("``", "`"), column[found.end() :]
    family = next(family for family, types in _FAMILIES.items() if re.match(types, kind))
    return name.lower(), {family: LEAST}


def kinds_text(found: Mapping[str, int] | None) -> str:
    """Kinds of a column in words; None is a column that is not there."""
    return ABSENT if found is None else " or ".join(sorted(found)) or "null"


def _field_changes(before: Shape, now: Shape) -> Iterator[Change]:
    for name, (read, unread) in sorted(now.fields.items()):
        was_read, was_unread = before.fields.get(name, (0, 0))
        if was_read >= LEAST and was_read >= was_unread and not read and unread >= LEAST:
            share = was_read / (was_read + was_unread)
            yield Change(
                "field",
                name,
                f"{share:.0%} of {was_read + was_unread} values readable",
                f"none of {unread}",
                breaking=True,
            )


def _value_changes(before: Shape, now: Shape, mapping: SourceMapping) -> Iterator[Change]:
    if not isinstance(mapping, EventMapping):
        return
    share = mapping.new_type_share
    fresh = {
        each: rows
        for each, rows in sorted(now.values.items())
        if not _was_seen(each, before, share)
    }
    in_all: Counter[str] = Counter()
    for (column, _), lines in fresh.items():
        in_all[column] += lines
    least = max(LEAST, share * now.lines)
    for (column, value), lines in fresh.items():
        told = "values that are no names of types" if value == UNNAMED else repr(value)
        found = f"{told} in {lines} of {now.lines} lines, which no rule of types takes"
        yield Change("value", column, "never seen", found, in_all[column] >= least, value)


def _was_seen(value: tuple[str, str], before: Shape, share: float) -> bool:
    """Whether batches had a value; those that have no name are seen once they were not few."""
    if value[1] != UNNAMED:
        return value in before.values
    lines = sum(before.fields.get(c.EVENT_TYPE, (0, 0)))
    return before.values.get(value, 0) >= max(LEAST, share * lines)
