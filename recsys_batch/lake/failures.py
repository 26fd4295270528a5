"""Failures of Spark and of the disk in one sentence; the traceback stays at hand as the cause."""

from __future__ import annotations

import re

from recsys_batch.errors import TRACEBACK, StageError

_OURS = re.compile(r"recsys_batch\.errors\.\w+: (.+)")  # raised in a worker of Spark's
_FIX = "free memory and disk, or restore damaged files of the lake, and run the day again"
_UNREACHED = (
    "see that the object store answers and takes the environment's credentials, and run the day "
    "again: nothing of the stage is registered"
)
_S3 = re.compile(r"s3a://|org\.apache\.hadoop\.fs\.s3a|software\.amazon\.awssdk")


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
        cause, fix = _of_spark(str(error) or type(error).__name__)
        what = f"Spark failed ({cause.strip()[:300]})"
    elif isinstance(error, OSError):
        what, fix = f"a file cannot be read or written ({' '.join(str(error).split())[:300]})", _FIX
    else:
        return None
    return StageError(
        what,
        where=where,
        fix=f"{fix}; {TRACEBACK}=1 shows where it happened",
    )


def _of_spark(said: str) -> tuple[str, str]:
    """The cause among Spark's many words, and what to do."""
    if own := _OURS.search(said):
        return own[1], "do that and run the day again"
    lines = said.splitlines()
    causes = [line.partition("Caused by: ")[2] for line in lines if "Caused by: " in line]
    return causes[-1] if causes else lines[0], _UNREACHED if _S3.search(said) else _FIX
