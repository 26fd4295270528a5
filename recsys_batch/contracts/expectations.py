"""Run a suite with Great Expectations: the verdict, its evidence as rows, and a page.

Importing this module starts nothing; Great Expectations is imported by the first `validate`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch.contracts.engine import judged
from recsys_batch.contracts.pages import write_pages
from recsys_batch.errors import ContractError, ValidationFailedError

if TYPE_CHECKING:
    from recsys_batch.contracts.checks import Check, Frame, Suite

KEPT = ("observed_value", "element_count", "unexpected_count", "unexpected_percent")


@dataclass(frozen=True)
class Outcome:
    """What one expectation found.

    Attributes
    ----------
    observed
        Counts and shares as JSON; with ``error`` where the expectation could not be evaluated.
    unexpected_count
        Rows that broke it; None for expectations on the table or on a share.
    """

    run_id: str
    table: str
    expectation: str
    column: str | None
    severity: str
    success: bool
    observed: str
    unexpected_count: int | None


@dataclass(frozen=True)
class Verdict:
    """What a suite found in one table.

    Attributes
    ----------
    outcomes
        One a check, in the suite's order.
    meanings
        What each had to hold, in the same order.
    page
        The page with the evidence; None where none was asked for.
    """

    run_id: str
    table: str
    outcomes: tuple[Outcome, ...]
    meanings: tuple[str, ...]
    page: Path | None = None

    @property
    def failed_critical(self) -> tuple[Outcome, ...]:
        """The failures that stop a run."""
        return tuple(
            each for each in self.outcomes if not each.success and each.severity == "critical"
        )

    @property
    def passed(self) -> bool:
        """True where no critical expectation failed."""
        return not self.failed_critical

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the `validations` table."""
        return [asdict(each) for each in self.outcomes]

    def raise_if_failed(self) -> None:
        """Raise `ValidationFailedError` on the first critical failure; otherwise do nothing."""
        if self.passed:
            return
        meanings = dict(zip(self.outcomes, self.meanings, strict=True))
        first, *others = self.failed_critical
        what = f"expectation {first.expectation} ({meanings[first]}) failed: {_counts(first)}"
        if others:
            named = ", ".join(f"{each.expectation} on {each.column}" for each in others[:5])
            what += f"; {len(others)} more critical failed: {named}"
        evidence = f" (evidence: {self.page})" if self.page else ""
        where = first.table if first.column is None else f"{first.table}.{first.column}"
        raise ValidationFailedError(
            f"{what}{evidence}",
            where=where,
            fix="the last publication stays live, so correct the source or the mapping "
            "and run the day again",
        )


def validate(
    frame: Frame, suite: Suite, *, name: str, run_id: str, docs: Path | None = None
) -> Verdict:
    """Check a frame against a suite.

    The columns the suite reads are cached while it runs. Of Spark's rows at most
    `engine.SAMPLES` values a check reach the driver, and they leave this function only where the
    check allows it.

    Parameters
    ----------
    frame
        The table, of Spark or pandas, with the columns ``suite.needs``.
    name
        The table's name, for rows, pages and messages.
    run_id
        The run that checks.
    docs
        Folder of the pages: ``index.html`` and one page a run and table. None writes none.

    Raises
    ------
    ContractError
        The frame lacks a column.
    SetupError
        Great Expectations cannot be imported.
    """
    missing = [each for each in suite.needs if each not in frame.columns]
    if missing:
        raise ContractError(
            f"column {missing[0]!r} does not exist",
            where=name,
            fix=f"rebuild the table; it needs the columns {', '.join(suite.needs)}",
        )
    results = judged(suite.view(frame), suite, name=name)
    outcomes = tuple(
        _outcome(check, result, named_by=suite.named_by, table=name, run_id=run_id)
        for check, result in zip(suite.checks, results, strict=True)
    )
    meanings = tuple(check.meaning for check in suite.checks)
    page = None
    if docs is not None:
        evidence = [
            asdict(each) | {"meaning": meaning, "observed": json.loads(each.observed)}
            for each, meaning in zip(outcomes, meanings, strict=True)
        ]
        page = write_pages(docs, run_id=run_id, table=name, evidence=evidence)
    return Verdict(run_id, name, outcomes, meanings, page)


def _outcome(
    check: Check, result: Mapping[str, Any], *, named_by: str | None, table: str, run_id: str
) -> Outcome:
    found = result["result"]
    observed = {key: found[key] for key in KEPT if found.get(key) is not None}
    if check.sample and found.get("partial_unexpected_list"):
        observed["sample"] = found["partial_unexpected_list"]
    if named_by is not None and found.get("partial_unexpected_index_list"):
        observed["rows"] = [each[named_by] for each in found["partial_unexpected_index_list"]]
    error = _exception(result.get("exception_info") or {})
    if error:
        observed = {"error": error}
    return Outcome(
        run_id=run_id,
        table=table,
        expectation=result["expectation_config"]["type"],
        column=check.column,
        severity=check.severity,
        success=bool(result["success"]) and not error,
        observed=json.dumps(observed, sort_keys=True, default=str),
        unexpected_count=found.get("unexpected_count"),
    )


def _exception(info: Mapping[str, Any]) -> str | None:
    """Return the first message of GX's exception record, which may be nested by metric."""
    if "raised_exception" in info:
        return str(info["exception_message"]).splitlines()[0] if info["raised_exception"] else None
    return next((text for each in info.values() if (text := _exception(each))), None)


def _counts(outcome: Outcome) -> str:
    observed = json.loads(outcome.observed)
    if "error" in observed:
        return f"it could not be evaluated ({observed['error']})"
    if outcome.unexpected_count is None:
        return f"observed {observed.get('observed_value')}"
    named = ", ".join(str(each) for each in observed.get("rows", ()))
    return (
        f"{outcome.unexpected_count:,} of {observed['element_count']:,} rows break it"
        f"{f' ({named})' if named else ''}"
    )
