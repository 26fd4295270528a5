"""Great Expectations itself: it is handed a frame and a suite, and says what it found.

It is imported by the first call of `judged`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from recsys_batch.errors import SetupError
from recsys_batch.imports import IMPORTING

if TYPE_CHECKING:
    from recsys_batch.contracts.checks import Frame, Suite

SAMPLES = 5  # offending values shown, where a check may show any


def judged(view: Frame, suite: Suite, *, name: str) -> list[dict[str, Any]]:
    """What was found of each check of a suite, in its order.

    Parameters
    ----------
    view
        What the suite makes of a table. Rows that are few and at hand already are a frame of
        pandas, which takes a tenth of the time that Spark's jobs do.
    name
        The table's name.

    Raises
    ------
    SetupError
        Great Expectations cannot be imported.
    """
    gx = great_expectations()
    expectations = [
        getattr(gx.expectations, check.expectation)(
            **check.arguments, severity=check.severity, meta={"check": number}
        )
        for number, check in enumerate(suite.checks)
    ]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    sources = context.data_sources
    of_spark = hasattr(view, "sparkSession")
    source = sources.add_spark("rows", persist=False) if of_spark else sources.add_pandas("rows")
    batches = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    batch = batches.get_batch(batch_parameters={"dataframe": view})
    wanted = gx.ExpectationSuite(name=name, expectations=expectations)
    with _cached(view) if of_spark else nullcontext():
        # Offending values take a query a check, which most often would find none.
        report = batch.validate(wanted, result_format=_asked(0))
        if not report.success:
            report = batch.validate(wanted, result_format=_asked(SAMPLES, suite.named_by))
    # The report groups results by column; the number in `meta` puts them back in order.
    found = [each.to_json_dict() for each in report.results]
    return sorted(found, key=lambda each: each["expectation_config"]["meta"]["check"])


def _asked(samples: int, named_by: str | None = None) -> dict[str, Any]:
    """How much is to be told of values that break a check."""
    asked = {"result_format": "BASIC", "partial_unexpected_count": samples}
    if named_by is None:
        return asked
    return asked | {"result_format": "SUMMARY", "unexpected_index_column_names": [named_by]}


@contextmanager
def _cached(view: Any) -> Iterator[None]:
    view.persist()
    try:
        yield
    finally:
        view.unpersist()


def great_expectations() -> Any:
    """Great Expectations, which takes seconds to import, set to send nothing.

    Raises
    ------
    SetupError
        It cannot be imported.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        with IMPORTING:
            import great_expectations as gx
            import great_expectations.expectations
    except (
        ImportError,
        SystemExit,
    ) as error:  # without grpcio the import ends the process, status 0
        raise SetupError(
            f"Great Expectations cannot be imported ({error})",
            where="python environment",
            fix="install requirements.lock, which has grpcio, and run `recsys-batch doctor`",
        ) from error
    return gx
