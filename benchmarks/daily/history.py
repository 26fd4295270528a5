"""A day of Online Retail on thirty times the history, against the same day on once the history.

Run it with ``python -m benchmarks.daily.history``. A history is loaded at once, then the last four
days come one at a time, each a run of ingest, validate and features; the first of them warms up.
The short history is taken twice, before the long one and behind it, and the second time counts.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.daily.feed import SEED, Fed, feed, lasting_session, real_days
from benchmarks.report import Figure, write_report

TIMES = 30
SINGLE = 4  # days that are run by themselves
GOAL = 1.5


def compare(spark: SparkSession, files: Sequence[Path], *, times: int, single: int) -> list[Figure]:
    """Feed the last days on a short and on a long history, and tell what their runs took.

    Parameters
    ----------
    files
        Landing files named by their day, ascending. The long history is all but the last `single`
        of them, the short one as many of its last as `times` goes into it.
    times
        How many times the short history the long one is.
    single
        Days that are run by themselves; the first of them is not measured.
    """
    history, days = files[:-single], [[path] for path in files[-single:]]
    short = history[-(len(history) // times) :]

    def fed(before: Sequence[Path]) -> Fed:
        with tempfile.TemporaryDirectory(prefix="recsys-history-") as work:
            return feed(spark, [before, *days], Path(work))

    fed(short)
    long, once = fed(history), fed(short)
    figures = []
    for what, of in (
        ("seconds", lambda found: [sum(each.values()) for each in found.seconds]),
        ("processor_seconds", lambda found: list(found.processor)),
    ):
        taken = {name: of(found)[2:] for name, found in (("long", long), ("short", once))}
        figures += [
            Figure(f"{name}.run.median_{what}", statistics.median(spent))
            for name, spent in taken.items()
        ]
        ratio = statistics.median(taken["long"]) / statistics.median(taken["short"])
        figures.append(Figure(f"{what}, {times} times the history over once", ratio, GOAL, True))
    return figures


def main() -> None:
    """Compare and write the report."""
    files = real_days()
    spark = lasting_session()
    page = write_report(
        "history",
        compare(spark, files, times=TIMES, single=SINGLE),
        heading="A day on thirty times the history",
        about=f"Online Retail: its last days but the first of {SINGLE}, each a run of ingest, "
        f"validate and features, behind {len(files) - SINGLE} days of history and behind "
        f"{(len(files) - SINGLE) // TIMES}; load of the machine at the end "
        f"{os.getloadavg()[2]:.1f}.",
        command="python -m benchmarks.daily.history",
        seed=SEED,
    )
    sys.stdout.write(page)
    spark.stop()


if __name__ == "__main__":
    main()
