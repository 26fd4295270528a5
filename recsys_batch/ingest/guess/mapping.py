"""From columns to the mapping: each field's column or SQL expression, and what is uncertain."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recsys_batch.ingest.guess.roles import NUMBERS, Column, Found, assign
from recsys_batch.ingest.guess.words import name_score

_TRUTHS = {"true", "false", "t", "f", "yes", "no", "y", "n", "1", "0"}  # what Spark casts


@dataclass(frozen=True)
class Choice:
    """What a contract field is mapped to, and why.

    Attributes
    ----------
    column
        The column that plays the field.
    expression
        Its name as it is, or an SQL expression over it.
    why
        What told, and what the expression is for.
    plain
        Nothing needs saying: the name told, and the column is taken as it is.
    checks
        What a person should look at.
    """

    column: Column
    expression: str
    why: str
    plain: bool
    checks: tuple[str, ...]


def choose(columns: tuple[Column, ...], *, named: bool, where: str) -> dict[str, Choice]:
    """Contract field (and ``time``, ``type``) to expression; see `assign` for the rest."""
    found = assign(columns, named=named, where=where)
    return {role: _choice(role, each) for role, each in found.items()}


def _choice(role: str, found: Found) -> Choice:
    column = found.column
    expression, reason, checks = _expression(role, column)
    if not found.sure:
        checks = [_doubt(role, column), *checks]
    why = f"{column.name} {found.why}" + (f"; {reason}" if reason else "")
    plain = found.sure and expression == column.name
    return Choice(column, expression, why, plain, tuple(checks))


def _expression(role: str, column: Column) -> tuple[str, str, list[str]]:
    """A field's expression, why it is not the column itself, and what to check."""
    if role == "time" and column.time is not None:
        checks = [column.time.check] if column.time.check else []
        if column.time.divisor == 1:
            return column.name, "", checks
        scaled = f"try_cast({column.sql} AS DECIMAL(20, 0)) / {column.time.divisor}"
        return scaled, "it is finer than milliseconds", checks
    if role in NUMBERS:
        return _number(role, column)
    if role == "consent":
        return column.name, "", _consent_checks(column)
    if role in {"user_id", "item_id"}:
        return *_id(column), _id_checks(role, column)
    if role in {"event_id", "request_id"}:
        return *_id(column), []
    return column.name, "", []


def _id(column: Column) -> tuple[str, str]:
    numeric = all(re.fullmatch(r"\d+([.]0)?", value) for value in column.values)
    if numeric and any(value.endswith(".0") for value in column.values):
        expression = f"regexp_replace({column.sql}, '[.]0$', '')"
        return expression, "the ids are whole numbers that were written with .0"
    return column.name, ""


def _id_checks(role: str, column: Column) -> list[str]:
    checks = []
    if role == "user_id" and 0 < name_score(column.name, role) < 2.3:
        checks.append(f"{column.name} stands in for the user: one person with two of them is two")
    if empty := column.cells.count(None):
        fate = "will be quarantined as missing_item"
        if role == "user_id":
            fate = "are anonymous: they count for popularity only"
        checks.append(f"{empty} of {len(column.cells)} records have no {column.name} and {fate}")
    return checks


def _consent_checks(column: Column) -> list[str]:
    odd = sorted({value for value in column.values if value.lower() not in _TRUTHS})
    empty = column.cells.count(None)
    condition = f"map consent to a condition such as coalesce({column.sql} = 'yes', false)"
    checks = []
    if odd:
        checks.append(
            f"{column.name} holds {', '.join(odd[:3])}, neither true nor false, which will be "
            f"quarantined: {condition}"
        )
    if empty:
        checks.append(
            f"{column.name} is empty in {empty} records, which counts as consent: if it must not, "
            + condition
        )
    return checks


def _doubt(role: str, column: Column) -> str:
    if role in {"user_id", "item_id"}:
        return (
            f"{role} is {column.name} by a guess; only user_id is made a pseudonym, so a user id "
            "mapped as item_id would be published"
        )
    return f"{role} is {column.name} by its values alone"


def _number(role: str, column: Column) -> tuple[str, str, list[str]]:
    kind = column.number
    assert kind is not None
    plain = kind.sql == "{}"
    expression = column.name if plain else kind.sql.format(column.sql)
    reason = "" if plain else f"it holds {kind.why}"
    numbers = [number for number in column.numbers if number is not None]
    checks = []
    if bad := len(column.values) - len(numbers):
        checks.append(f"{bad} values of {column.name} are no numbers and will be quarantined")
    if role == "price" and min(numbers) < 0:
        checks.append(f"{column.name} has negative prices, which will be quarantined")
    if role == "price" and (free := numbers.count(0)):
        checks.append(f"{column.name} is 0 in {free} records: add a rule if they are no sales")
    if role == "position":
        whole = f"try_cast(try_cast({kind.sql.format(column.sql)} AS DOUBLE) AS INT)"
        if min(numbers) == 0:
            return f"{whole} + 1", "it counts from 0, and positions count from 1", checks
        if not all(value.isdecimal() for value in column.values):
            return whole, "a position is a whole number", checks
    return expression, reason, checks
