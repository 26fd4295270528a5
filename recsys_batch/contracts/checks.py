"""One expectation, a suite of them, and the expectations that a contract makes of its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recsys_batch.contracts.facts import LARGEST
from recsys_batch.odcs.model import Contract, LibraryCheck, Property, TypeOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Severity = Literal["critical", "warning"]
# Spark SQL type to the name of its class, which is what Great Expectations compares
TYPES = {
    "STRING": "StringType",
    "DOUBLE": "DoubleType",
    "INT": "IntegerType",
    "BIGINT": "LongType",
    "BOOLEAN": "BooleanType",
    "DATE": "DateType",
    "TIMESTAMP": "TimestampType",
}


@dataclass(frozen=True)
class Check:
    """One expectation.

    Attributes
    ----------
    expectation
        Class in `great_expectations.expectations`.
    arguments
        Its arguments.
    meaning
        What must hold, as a clause for pages and messages.
    severity
        critical stops the run; warning is only recorded.
    sample
        May a few offending values be shown? Only for numbers and enumerations: a value that is
        not a pseudonym could be the raw id itself.
    """

    expectation: str
    arguments: Mapping[str, Any]
    meaning: str
    severity: Severity = "critical"
    sample: bool = False

    @property
    def column(self) -> str | None:
        """The column or comma-separated columns checked; None for the table as a whole."""
        given = self.arguments
        if "column_list" in given:
            return ",".join(given["column_list"])
        if "column_A" in given:
            return f"{given['column_A']},{given['column_B']}"
        return given.get("column")


@dataclass(frozen=True)
class Suite:
    """The checks of one table.

    Attributes
    ----------
    checks
        No two of the same expectation and columns: they key the `validations` table.
    needs
        Columns the frame must have.
    view
        Narrows the frame to what the checks read, derived columns included.
    """

    checks: tuple[Check, ...]
    needs: tuple[str, ...]
    view: Callable[[DataFrame], DataFrame]


def contract_checks(of: Contract) -> tuple[Check, ...]:
    """What a contract promises of its table's finished rows, and warnings of its parts.

    A column of which nothing but its type is said is not checked. Times are left to the suite,
    which knows the day.
    """
    rows = (
        at_least(each.must_be_greater_than + 1)
        for each in of.table.quality
        if isinstance(each, LibraryCheck) and each.must_be_greater_than is not None
    )
    columns = (check for each in of.table.properties for check in _column_checks(each))
    parts = (
        Check(
            "ExpectColumnValuesToNotBeNull",
            {"column": each.name, "row_condition": where, "condition_parser": "spark"},
            f"{each.name} is not null of {part.name}",
            severity="warning",
        )
        for part in of.parts
        for where in (part.custom("where"),)
        for each in part.properties
        if each.required
    )
    return (*rows, *columns, *parts)


def _column_checks(column: Property) -> Iterator[Check]:
    name, options = column.name, column.logical_type_options
    found: list[Check] = []
    if column.required:
        found.append(not_null(name))
    if column.unique:
        meaning = f"every {name} occurs once"
        found.append(Check("ExpectColumnValuesToBeUnique", {"column": name}, meaning))
    if column.valid_values:
        given = {"column": name, "value_set": list(column.valid_values)}
        meaning = f"{name} is one of the contract's values"
        found.append(Check("ExpectColumnValuesToBeInSet", given, meaning, sample=True))
    if options.pattern is not None:
        given = {"column": name, "regex": options.pattern}
        meaning = f"{name} is null or matches {options.pattern}"
        found.append(Check("ExpectColumnValuesToMatchRegex", given, meaning))
    if column.logical_type in {"number", "integer"} and options != TypeOptions():
        found.append(_in_range(column))
    if found:
        given = {"column": name, "type_": TYPES[column.physical_type]}
        meaning = f"{name} has the type {column.physical_type}"
        yield Check("ExpectColumnValuesToBeOfType", given, meaning)
    yield from found


def _in_range(column: Property) -> Check:
    """The range of a number; a DOUBLE without an upper end ends at the largest finite one."""
    options = column.logical_type_options
    strict_min = options.exclusive_minimum is not None
    strict_max = options.exclusive_maximum is not None
    low = options.exclusive_minimum if strict_min else options.minimum
    high = options.exclusive_maximum if strict_max else options.maximum
    said = [f"{'above' if strict_min else 'at least'} {low:g}"] if low is not None else []
    said += [f"{'below' if strict_max else 'at most'} {high:g}"] if high is not None else []
    if high is None and column.logical_type == "number":
        high = LARGEST
    given = {
        "column": column.name,
        "min_value": low,
        "max_value": high,
        "strict_min": strict_min,
        "strict_max": strict_max,
    }
    meaning = f"{column.name} is null or {' and '.join(said)}"
    return Check("ExpectColumnValuesToBeBetween", given, meaning, sample=True)


def at_least(least: int) -> Check:
    """A table of so many rows or more."""
    meaning = "there is a row" if least == 1 else f"there are {least} rows at least"
    return Check("ExpectTableRowCountToBeBetween", {"min_value": least}, meaning)


def not_null(column: str) -> Check:
    """A column without nulls."""
    return Check("ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} is not null")
