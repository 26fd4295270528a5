"""Spark's failures in one sentence; the traceback stays at hand as the cause."""

from __future__ import annotations

from recsys_batch.errors import TRACEBACK, StageError


def spark_failure(error: Exception, *, where: str) -> StageError | None:
    """What a failure of Spark's comes to in one sentence; None for an error of another kind.

    Parameters
    ----------
    where
        The stage, day and lake in which it happened.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    if not isinstance(error, PySparkException | Py4JError | ConnectionError):
        return None
    lines = str(error).splitlines() or [type(error).__name__]
    causes = [line.partition("Caused by: ")[2] for line in lines if "Caused by: " in line]
    what = causes[-1] if causes else lines[0]
    return StageError(
        f"Spark failed ({what.strip()[:300]})",
        where=where,
        fix="free memory and disk, or restore damaged files of the lake, and run the day again; "
        f"{TRACEBACK}=1 shows where it happened",
    )
