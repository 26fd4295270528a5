"""What must hold of `events`, `interactions` and the finished lists, as data.

A suite names Great Expectations classes and their arguments; `contracts.expectations` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from recsys_batch.columns import (
    EVENT_DATE,
    EVENT_ID,
    EVENT_TIME,
    EVENT_TYPE,
    ITEM_ID,
    PART,
    POSITION,
    PRICE,
    PROPENSITY,
    USER_KEY,
    WEIGHT,
)
from recsys_batch.config import EventType
from recsys_batch.contracts.facts import (
    LARGEST,
    N_BAD_SCORES,
    N_BLOCKED,
    N_DISTINCT,
    N_EXPECTED,
    N_ITEMS,
    N_SEEN,
    N_UNSORTED,
    TOPN_FACTS,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Severity = Literal["critical", "warning"]
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

# Columns derived for the checks alone
HOURS_AFTER_DAY = "hours_after_day"  # from the end of the logical day to EVENT_TIME
TIME_DATE = "event_time_date"  # UTC day of EVENT_TIME


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


def events_suite(
    *, as_of: date, max_future_hours: float = 24.0, max_anonymous: float = 0.5
) -> Suite:
    """Return the suite of `events`.

    Parameters
    ----------
    as_of
        The logical day, UTC.
    max_future_hours
        Hours after the end of that day up to which an event time is possible.
    max_anonymous
        Share of rows without a user above which a warning is recorded.
    """
    midnight = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    end = midnight + timedelta(days=1)
    checks = (
        _rows_at_least_one(),
        _not_null(EVENT_ID),
        Check("ExpectColumnValuesToBeUnique", {"column": EVENT_ID}, "every event_id occurs once"),
        _not_null(ITEM_ID),
        _not_null(EVENT_TYPE),
        Check(
            "ExpectColumnValuesToBeInSet",
            {"column": EVENT_TYPE, "value_set": list(get_args(EventType))},
            "event_type is one of the contract's types",
            sample=True,
        ),
        _not_null(EVENT_TIME),
        Check(
            "ExpectColumnValuesToBeBetween",
            {
                "column": HOURS_AFTER_DAY,
                "min_value": (EARLIEST - end) / timedelta(hours=1),
                "max_value": max_future_hours,
            },
            f"event_time is not before 1990 nor over {max_future_hours:g} h after the day {as_of}",
            sample=True,
        ),
        _not_null(EVENT_DATE),
        _equal(EVENT_DATE, TIME_DATE, "event_date is the UTC day of event_time"),
        _pseudonym("user_key is null or 64 hex digits"),
        _between(POSITION, 1, None, "position is null or 1 and more"),
        _between(PROPENSITY, 0, 1, "propensity is null or in (0, 1]", strict_min=True),
        _between(PRICE, 0, LARGEST, "price is null or 0 and more"),
        Check(
            "ExpectColumnProportionOfNonNullValuesToBeBetween",
            {"column": USER_KEY, "min_value": 1 - max_anonymous},
            f"at most {max_anonymous:.0%} of the events are anonymous",
            severity="warning",
        ),
    )
    plain = (EVENT_ID, ITEM_ID, EVENT_TYPE, EVENT_TIME, EVENT_DATE, USER_KEY)
    needs = (*plain, POSITION, PROPENSITY, PRICE)

    def view(frame: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        seconds = F.unix_micros(F.col(EVENT_TIME)) / 1e6 - F.lit(end.timestamp())
        day = F.date_from_unix_date(
            F.floor(F.unix_micros(F.col(EVENT_TIME)) / 86_400e6).cast("int")
        )
        return frame.select(*needs, (seconds / 3600).alias(HOURS_AFTER_DAY), day.alias(TIME_DATE))

    return Suite(checks, needs, view)


def interactions_suite() -> Suite:
    """Return the suite of `interactions`: one finite, positive weight a user and item in a part."""
    key = (PART, USER_KEY, ITEM_ID)
    checks = (
        _rows_at_least_one(),
        *(_not_null(name) for name in (*key, WEIGHT)),
        Check(
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": list(key)},
            "a user and an item meet once in a part",
        ),
        _pseudonym("user_key is 64 hex digits"),
        _between(WEIGHT, 0, LARGEST, "weight is positive and finite", strict_min=True),
    )
    needs = (*key, WEIGHT)
    return Suite(checks, needs, lambda frame: frame.select(*needs))


def topn_suite(*, users: int | None = None) -> Suite:
    """Return the suite of `topn_user`, to be run on `topn_facts`.

    Parameters
    ----------
    users
        Lists there must be, one a user; None asks for one at least.
    """
    size = (
        _rows_at_least_one()
        if users is None
        else Check("ExpectTableRowCountToEqual", {"value": users}, f"there are {users} lists")
    )
    checks = (
        size,
        _not_null(USER_KEY),
        Check("ExpectColumnValuesToBeUnique", {"column": USER_KEY}, "a user has one list"),
        _pseudonym("user_key is 64 hex digits"),
        _equal(N_ITEMS, N_EXPECTED, "a list holds exactly N items, or as many as exist"),
        _equal(N_ITEMS, N_DISTINCT, "a list holds no item twice"),
        _between(N_BLOCKED, 0, 0, "a list holds recommendable items only"),
        _between(N_SEEN, 0, 0, "a list holds no excluded seen item"),
        _between(N_UNSORTED, 0, 0, "scores fall from first to last"),
        _between(N_BAD_SCORES, 0, 0, "every score is finite"),
    )
    return Suite(checks, TOPN_FACTS, lambda frame: frame.select(*TOPN_FACTS))


def _rows_at_least_one() -> Check:
    return Check("ExpectTableRowCountToBeBetween", {"min_value": 1}, "there is a row")


def _not_null(column: str) -> Check:
    return Check("ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} is not null")


def _pseudonym(meaning: str) -> Check:
    given = {"column": USER_KEY, "regex": "^[0-9a-f]{64}$"}
    return Check("ExpectColumnValuesToMatchRegex", given, meaning)


def _equal(left: str, right: str, meaning: str) -> Check:
    given = {"column_A": left, "column_B": right}
    return Check("ExpectColumnPairValuesToBeEqual", given, meaning, sample=True)


def _between(
    column: str, low: float, high: float | None, meaning: str, *, strict_min: bool = False
) -> Check:
    given = {"column": column, "min_value": low, "max_value": high, "strict_min": strict_min}
    return Check("ExpectColumnValuesToBeBetween", given, meaning, sample=True)
