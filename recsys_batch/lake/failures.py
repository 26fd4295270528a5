"""Failures of Spark and of the disk in one sentence; the traceback stays at hand as the cause."""

from __future__ import annotations

from recsys_batch.errors import TRACEBACK, StageError


def stage_failure(error: Exception, *, where: str) -> StageError | None:
    """What a failure of Spark's or of a disk's comes to in one sentence; None for one of ours.

    Parameters
    ----------
    where
        What was being done, and in which lake.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    if isinstance(error, PySparkException | Py4JError | ConnectionError):
        lines = str(error).splitlines() or [type(error).__name__]
        causes = [line.partition("Caused by: ")[2] for line in lines if "Caused by: " in line]
        cause = causes[-1] if causes else lines[0]
        what = f"Spark failed ({cause.strip()[:300]})"
    elif isinstance(error, OSError):
        what = f"a file cannot be read or written ({' '.join(str(error).split())[:300]})"
    else:
        return None
    return StageError(
        what,
        where=where,
        fix="free memory and disk, or restore damaged files of the lake, and run the day again; "
        f"{TRACEBACK}=1 shows where it happened",
    )
