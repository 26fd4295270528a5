"""What must hold of landed batches, `events`, `interactions` and the finished lists, as data.

A suite names Great Expectations classes and their arguments; `contracts.expectations` runs it.
What a contract says is read from it (`contracts.promises`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from recsys_batch.columns import (
    ACCEPTED,
    BATCH_SEQ,
    EVENT_DATE,
    EVENT_TIME,
    ITEM_ID,
    LANDED,
    PART,
    QUARANTINED,
    USER_KEY,
    WEIGHT,
)
from recsys_batch.contracts.checks import Check, Suite, at_least, not_null
from recsys_batch.contracts.facts import (
    ACCOUNTED,
    EMPTY_FILES,
    HIGHEST,
    IN_BRONZE,
    IN_QUARANTINE,
    IN_SILVER,
    LANDING_FACTS,
    LARGEST,
    LOWEST,
    N_BAD_SCORES,
    N_BLOCKED,
    N_DISTINCT,
    N_EXPECTED,
    N_ITEMS,
    N_PAIRS,
    N_SEEN,
    N_UNSORTED,
    SHARE_QUARANTINED,
    TOPN_FACTS,
    interactions_facts,
)
from recsys_batch.contracts.promises import contract_suite
from recsys_batch.odcs.load import contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Columns derived for the checks alone
HOURS_AFTER_DAY = "hours_after_day"  # from the end of the logical day to EVENT_TIME
TIME_DATE = "event_time_date"  # UTC day of EVENT_TIME


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
    derived = (
        Check(
            "ExpectColumnValuesToBeBetween",
            {
                "column": HOURS_AFTER_DAY,
                "min_value": (_earliest() - end) / timedelta(hours=1),
                "max_value": max_future_hours,
            },
            f"event_time is not before {_earliest():%Y} nor over {max_future_hours:g} h after the "
            f"day {as_of}",
            sample=True,
        ),
        _equal(EVENT_DATE, TIME_DATE, "event_date is the UTC day of event_time"),
        Check(
            "ExpectColumnProportionOfNonNullValuesToBeBetween",
            {"column": USER_KEY, "min_value": 1 - max_anonymous},
            f"at most {max_anonymous:.0%} of the events are anonymous",
            severity="warning",
        ),
    )
    promised = contract_suite(contract("events"))

    def view(frame: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        seconds = F.unix_micros(F.col(EVENT_TIME)) / 1e6 - F.lit(end.timestamp())
        day = F.date_from_unix_date(
            F.floor(F.unix_micros(F.col(EVENT_TIME)) / 86_400e6).cast("int")
        )
        times = ((seconds / 3600).alias(HOURS_AFTER_DAY), day.alias(TIME_DATE))
        rows: DataFrame = promised.view(frame)
        return rows.select("*", *times)

    return Suite((*promised.checks, *derived), promised.needs, view)


def landing_suite(*, max_quarantined: float | None = None) -> Suite:
    """Return the suite of what batches landed, to be run on their `LANDING_FACTS`.

    Counts that do not apply to a batch are null, and not compared.

    Parameters
    ----------
    max_quarantined
        Share of a landing's lines that may be quarantined; None for any.
    """
    share = (
        ()
        if max_quarantined is None
        else (
            _between(
                *(SHARE_QUARANTINED, 0, max_quarantined),
                f"at most {max_quarantined:.2%} of a landing are quarantined",
            ),
        )
    )
    checks = (
        _equal(LANDED, ACCOUNTED, "landed = accepted + quarantined + duplicate"),
        _counted(LANDED, IN_BRONZE, "bronze holds each record that landed"),
        _counted(ACCEPTED, IN_SILVER, "silver holds each record that was accepted"),
        _counted(QUARANTINED, IN_QUARANTINE, "quarantine holds each record that was refused"),
        *share,
        replace(_between(EMPTY_FILES, 0, 0, "no file is without records"), severity="warning"),
    )
    return Suite(
        checks, LANDING_FACTS, lambda frame: frame[list(LANDING_FACTS)], named_by=BATCH_SEQ
    )


def interactions_suite() -> Suite:
    """Return the suite of `interactions`: one finite, positive weight a user and item in a part.

    It counts users, not pairs (`interactions_facts`).
    """
    checks = (
        at_least(1),
        *(not_null(name) for name in (PART, USER_KEY, LOWEST)),
        _equal(N_PAIRS, N_DISTINCT, "a user and an item, which is not null, meet once in a part"),
        _pseudonym("user_key is 64 hex digits"),
        _between(LOWEST, 0, None, "every weight is positive", strict_min=True),
        _between(HIGHEST, None, LARGEST, "every weight is finite"),
    )
    return Suite(checks, (PART, USER_KEY, ITEM_ID, WEIGHT), interactions_facts)


def topn_suite(*, users: int | None = None) -> Suite:
    """Return the suite of `topn_user`, to be run on `topn_facts`.

    Parameters
    ----------
    users
        Lists there must be, one a user; None asks for one at least.
    """
    size = (
        at_least(1)
        if users is None
        else Check("ExpectTableRowCountToEqual", {"value": users}, f"there are {users} lists")
    )
    checks = (
        size,
        not_null(USER_KEY),
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


def _earliest() -> datetime:
    first = contract("events").table.column(EVENT_TIME).logical_type_options.minimum
    return datetime.fromisoformat(str(first)).replace(tzinfo=UTC)


def _pseudonym(meaning: str) -> Check:
    pattern = contract("events").table.column(USER_KEY).logical_type_options.pattern
    given = {"column": USER_KEY, "regex": pattern}
    return Check("ExpectColumnValuesToMatchRegex", given, meaning)


def _equal(left: str, right: str, meaning: str) -> Check:
    given = {"column_A": left, "column_B": right}
    return Check("ExpectColumnPairValuesToBeEqual", given, meaning, sample=True)


def _counted(told: str, found: str, meaning: str) -> Check:
    """Two counts are the same, where the second applies."""
    same = _equal(told, found, meaning)
    return replace(same, arguments={**same.arguments, "ignore_row_if": "either_value_is_missing"})


def _between(
    column: str, low: float | None, high: float | None, meaning: str, *, strict_min: bool = False
) -> Check:
    given = {"column": column, "min_value": low, "max_value": high, "strict_min": strict_min}
    return Check("ExpectColumnValuesToBeBetween", given, meaning, sample=True)
