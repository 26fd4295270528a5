"""Which column is what: by its name, then by its values; by its place only where no name is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from recsys_batch.errors import MappingError
from recsys_batch.ingest.guess.numbers import NumberKind, number_kind, to_number
from recsys_batch.ingest.guess.times import TimeKind, time_kind
from recsys_batch.ingest.guess.words import STEMS, event_type_of, name_score

NUMBERS = ("value", "quantity", "price", "position", "propensity")
_FEW = 30  # distinct values a column of event types may have


@dataclass(frozen=True)
class Column:
    """A column of the sample: its name, its place and its values, None where empty."""

    name: str
    place: int
    cells: tuple[str | None, ...]

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The cells that are filled."""
        return tuple(cell for cell in self.cells if cell)

    @cached_property
    def distinct(self) -> int:
        """Distinct values."""
        return len(set(self.values))

    @cached_property
    def time(self) -> TimeKind | None:
        """How its times are written, if it holds times."""
        return time_kind(self.values)

    @cached_property
    def number(self) -> NumberKind | None:
        """How its numbers are written, if it holds numbers."""
        return number_kind(self.values)

    @cached_property
    def numbers(self) -> tuple[float | None, ...]:
        """The cells as numbers."""
        if self.number is None:
            return (None,) * len(self.cells)
        return tuple(to_number(cell, self.number) if cell else None for cell in self.cells)

    @property
    def known_types(self) -> float:
        """Share of the values that are words for an event."""
        known = {value for value in set(self.values) if event_type_of(value)}
        return sum(value in known for value in self.values) / max(1, len(self.values))

    @property
    def sql(self) -> str:
        """Its name inside an SQL expression."""
        return "`" + self.name.replace("`", "``") + "`"

    @property
    def order(self) -> tuple[int, str]:
        """Where names decide nothing, the shorter and then the first in the alphabet wins."""
        return len(self.name), self.name


@dataclass(frozen=True)
class Found:
    """The column that plays a role, what told, and whether its name did."""

    column: Column
    why: str
    sure: bool


def assign(columns: tuple[Column, ...], *, named: bool, where: str) -> dict[str, Found]:
    """Contract field (and ``time``, ``type``) to the column that plays it.

    Parameters
    ----------
    named
        The names come from the file; otherwise only values and places can tell.
    where
        File to name in errors.

    Raises
    ------
    MappingError
        No column can be the user, the item or the time.
    """
    scored = [
        (score, role, column)
        for role in STEMS
        for column in columns
        if (score := _score(role, column, named=named)) > 0
    ]
    taken: dict[str, Found] = {}
    for _, role, column in sorted(scored, key=lambda each: (-each[0], each[2].order, each[1])):
        if role not in taken and column in _free(columns, taken):
            sure = named and name_score(column.name, role) > 0
            taken[role] = Found(column, f"by its {'name and ' * sure}values", sure)
    if not named:
        _take_rating(columns, taken)
    _take_ids(columns, taken, named=named, where=where)
    if "time" not in taken:
        raise _unknown("time", "a time in a common format", columns, where)
    return taken


def _free(columns: tuple[Column, ...], taken: dict[str, Found]) -> list[Column]:
    used = {found.column.name for found in taken.values()}
    return [column for column in columns if column.name not in used]


def _score(role: str, column: Column, *, named: bool) -> float:
    if not column.values or not _fits(role, column):
        return 0.0
    score = name_score(column.name, role) if named else 0.0
    if role == "type":
        if column.known_types >= 0.8:
            return score + 2.0
        return score if column.known_types > 0 else score / 10
    if role == "time" and score == 0 and column.time is not None:
        if not column.time.format.startswith("epoch"):
            return 0.4
        return 0.2 if column.distinct > 1 else 0.0
    return score


def _fits(role: str, column: Column) -> bool:
    """Whether the values allow the role at all."""
    if role == "time":
        return column.time is not None
    if role in NUMBERS:
        numbers = [number for number in column.numbers if number is not None]
        return bool(numbers) and (
            role != "propensity" or all(0 < number <= 1 for number in numbers)
        )
    if role == "type":
        return column.distinct <= _FEW and column.time is None
    if role == "consent":
        return column.distinct <= _FEW
    if role == "event_id":
        return column.distinct >= 0.9 * len(column.cells) and not _counts_up(column)
    if role in {"user_id", "item_id", "request_id"}:
        return column.time is None or column.number is not None
    return True


def _counts_up(column: Column) -> bool:
    """A row number, which starts anew in each file and so identifies no event."""
    numbers = [number for number in column.numbers if number is not None]
    return bool(numbers) and min(numbers) <= 1


def _take_rating(columns: tuple[Column, ...], taken: dict[str, Found]) -> None:
    """Without names: the last column of few small numbers, where two others can be the ids."""
    free = _free(columns, taken)
    for column in reversed(free):
        numbers = {number for number in column.numbers if number is not None}
        small = bool(numbers) and min(numbers) >= 0 and max(numbers) <= 10
        ids = sum(_is_id(other) for other in free if other is not column)
        if ids >= 2 and "type" not in taken and small and 2 <= len(numbers) <= 11:
            why = "by its values: few small numbers, as ratings are"
            taken["value"] = Found(column, why, sure=False)
            return


def _take_ids(
    columns: tuple[Column, ...], taken: dict[str, Found], *, named: bool, where: str
) -> None:
    """Give the user and the item, where no name told, to columns whose values look like ids."""
    missing = [role for role in ("user_id", "item_id") if role not in taken]
    # Two columns of ids whose names say nothing cannot be told apart.
    if named and len(missing) == 2:
        raise _unknown(missing[0], "a user id or an item id", columns, where)
    free = [column for column in _free(columns, taken) if _is_id(column)]
    if named:
        free = [column for column in free if not _says_the_other(column, missing)]
        free.sort(key=lambda column: (-column.distinct, column.order))
    else:
        free = [column for column in free if column.distinct >= 10] or free
    for role in missing:
        if not free:
            raise _unknown(role, f"the {role.replace('_', ' ')}", columns, where)
        why = "holds the most values that look like ids" if named else "is the first of the ids"
        taken[role] = Found(free.pop(0), why, sure=False)


def _says_the_other(column: Column, missing: list[str]) -> bool:
    others = [role for role in STEMS if role not in missing]
    return any(name_score(column.name, role) > 0 for role in others)


def _is_id(column: Column) -> bool:
    unique = column.distinct == len(column.values) >= 50
    return (
        column.distinct > 1
        and not unique
        and column.time is None
        and all(re.fullmatch(r"\S{1,64}", value) for value in column.values)
        and not any(number is not None and number % 1 for number in column.numbers)
    )


def _unknown(role: str, what: str, columns: tuple[Column, ...], where: str) -> MappingError:
    names = ", ".join(column.name for column in columns)
    option = "events.time" if role == "time" else f"events.fields.{role}"
    return MappingError(
        f"none of the columns {names} can be told to hold {what}",
        where=where,
        fix=f"copy conf/datasets/sample.yaml under a new name and write `{option}` by hand, or "
        f"name the column {'event_time' if role == 'time' else role} in the file",
    )
