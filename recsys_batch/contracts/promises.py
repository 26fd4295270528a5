"""The expectations that a contract makes of its table: no rule is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from recsys_batch.contracts.checks import Check, Suite, at_least, not_null
from recsys_batch.contracts.facts import LARGEST
from recsys_batch.odcs.model import Contract, LibraryCheck, Property, SchemaObject, TypeOptions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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
_TEXT = re.compile(r"'[^']*'")
_NAME = re.compile(r"\b[a-z_]\w*")  # keywords of SQL are written in capitals


def contract_suite(of: Contract) -> Suite:
    """The suite of a contract's table, or of any of its rows."""
    checks, conditions = contract_checks(of), _conditions(of.table)
    read = {name for each in checks for name in (each.column or "").split(",")}
    read |= {name for each in conditions.values() for name in _names(each)}
    needs = tuple(each.name for each in of.table.properties if each.name in read)

    def view(frame: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        broken = [F.when(F.expr(how), F.lit(1)).alias(rule) for rule, how in conditions.items()]
        return frame.select(*needs, *broken)

    return Suite(checks, needs, view)


def contract_checks(of: Contract) -> tuple[Check, ...]:
    """What a contract promises of its table's finished rows, and warnings of its parts.

    A column of which nothing but its type is said is not checked. Times are left to the suite,
    which knows the day. A rule that judges lines by columns of the table alone holds of its rows,
    too: the check reads the column of the rule's name that `contract_suite` makes, 1 where a row
    breaks it and otherwise null.
    """
    rows = (
        at_least(each.must_be_greater_than + 1)
        for each in of.table.quality
        if isinstance(each, LibraryCheck) and each.must_be_greater_than is not None
    )
    columns = (check for each in of.table.properties for check in _column_checks(each))
    broken = (
        Check("ExpectColumnValuesToBeNull", {"column": rule}, f"no row breaks the rule {rule}")
        for rule in _conditions(of.table)
    )
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
    return (*rows, *columns, *_key_checks(of.table), *broken, *parts)


def _key_checks(table: SchemaObject) -> Iterator[Check]:
    """The keys name a row once, unless a column does so by itself."""
    named = [each for each in table.properties if each.primary_key]
    keys = [each.name for each in sorted(named, key=lambda each: each.primary_key_position)]
    if len(keys) > 1 and not any(each.unique for each in table.properties):
        meaning = f"{', '.join(keys)} together occur once"
        yield Check("ExpectCompoundColumnsToBeUnique", {"column_list": keys}, meaning)


def _conditions(table: SchemaObject) -> dict[str, str]:
    """Rules whose condition names nothing but columns of the table, and calls no function."""
    names = {each.name for each in table.properties}
    conditions = {rule.name: rule.implementation.condition for rule in table.rules}
    return {rule: how for rule, how in conditions.items() if how and _names(how) <= names}


def _names(condition: str) -> set[str]:
    return set(_NAME.findall(_TEXT.sub("", condition)))


def _column_checks(column: Property) -> Iterator[Check]:
    name, options = column.name, column.logical_type_options
    found: list[Check] = []
    if column.required or column.primary_key:
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
