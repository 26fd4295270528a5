"""One expectation, and a suite of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    Frame = DataFrame | pd.DataFrame

Severity = Literal["critical", "warning"]


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
        Narrows the frame, of Spark or pandas, to what the checks read, derived columns included.
    named_by
        Column whose values are shown of a few rows that break a check; None shows none. Never an
        identifier of a person.
    """

    checks: tuple[Check, ...]
    needs: tuple[str, ...]
    view: Callable[[Any], Any]
    named_by: str | None = None


def at_least(least: int) -> Check:
    """A table of so many rows or more."""
    meaning = "there is a row" if least == 1 else f"there are {least} rows at least"
    return Check("ExpectTableRowCountToBeBetween", {"min_value": least}, meaning)


def not_null(column: str) -> Check:
    """A column without nulls."""
    return Check("ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} is not null")
