"""Feed Online Retail one file at a time, each a run of ingest and features, against one bulk load.

Run it with ``python -m benchmarks.daily.feed``; all 305 files take most of an hour on two cores,
and as long again in shuffled order. ``--files 40`` takes the first forty, ``--orders by_day``
leaves the shuffled feed out, ``--minutes 60`` ends a feed after the run in which the hour passed.
Every day conserves its rows; at the end the tables of each feed and of one bulk load of the same
files are compared by digest. Each order has its own report. Times are told in seconds by the
clock, and in seconds of processors that the session and its workers took, which other work on the
machine stretches less.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from benchmarks.report import Figure, write_report
from jobs import features, ingest, tune, validate
from recsys_batch import columns as c
from recsys_batch.config import load_settings
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.job import Job
from recsys_batch.lake.cost import processor_seconds
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT.parent / "shared" / "datasets" / "online_retail" / "by-day"
DATASET = "online_retail"
SEED = 11
STAGES = {"ingest": ingest, "validate": validate, "tune": tune, "features": features}
# A recipe that is named: a search is made once a week and is no day's work.
NAMED = {
    "features.half_life_days": 90,
    "popularity.half_life_days": 14,
    "model.weights": {"als": 1.0},
}
# One process lives through all days, for which the optimising compiler pays (conf/local.yaml).
JAVA = "-XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC"
# What each table's rows are but for the order in which their files landed.
CONTENT = {
    "events": (c.BATCH_SEQ,),
    "raw_events": (c.BATCH_SEQ,),
    "quarantine": (c.BATCH_SEQ,),
    "interactions": (),
    "users": (),
    "items": (),
    "popularity": (),
    "holdout": (),
}


@dataclass(frozen=True)
class Fed:
    """A fed lake.

    Attributes
    ----------
    seconds
        Of each file's run, by stage, in the order fed.
    processor
        Seconds of processors that each run took.
    digests
        Digest of each table's content at the end; gold tables by the rows of the last run.
    rows
        Conservation over all files.
    """

    seconds: tuple[dict[str, float], ...]
    processor: tuple[float, ...]
    digests: dict[str, str]
    rows: Conservation


def feed(
    spark: SparkSession,
    landings: Sequence[Sequence[Path]],
    work: Path,
    *,
    minutes: float = math.inf,
    say: Any = lambda _line: None,
) -> Fed:
    """Land files, some at a time, and run ingest, validate and features after each landing.

    Parameters
    ----------
    landings
        Files named by their day, as they land. The logical day is the latest that has landed; days
        too early to hold anything out run ingest alone.
    work
        An empty folder.
    minutes
        No run begins later than this; the files left are not fed.

    Raises
    ------
    AssertionError
        A run lost or doubled rows.
    """
    landing = work / "landing"
    landing.mkdir(parents=True)
    settings = load_settings(DATASET, overrides=NAMED)
    lake = Lake(spark, work / "lake" / DATASET)
    first, day, landed, start = dt.date.max, dt.date.min, 0, time.monotonic()
    seconds: list[dict[str, float]] = []
    processor: list[float] = []
    job = Job(settings=settings, lake=lake, landing=landing, day=day, now=dt.datetime.now(dt.UTC))
    for number, files in enumerate(landings, 1):
        if time.monotonic() - start > 60 * minutes:
            break
        for path in files:
            shutil.copyfile(path, landing / path.name)
            of_file = dt.date.fromisoformat(path.stem)
            first, day = min(first, of_file), max(day, of_file)
            landed += _records(path)
        job = replace(job, day=day, now=dt.datetime.now(dt.UTC))
        spent, taken = {}, processor_seconds()
        telling = (day - first).days > settings.evaluation.holdout_days + 1
        for name, stage in STAGES.items() if telling else [("ingest", ingest)]:
            began = time.perf_counter()
            stage.run(job)
            spent[name] = time.perf_counter() - began
        seconds.append(spent)
        processor.append(processor_seconds() - taken)
        rows = conservation(lake.home)
        assert rows.landed == landed, f"{landed} landed, {rows} accounted for on {day}"
        assert rows.landed == rows.accepted + rows.quarantined + rows.duplicate, rows
        shown = ", ".join(f"{name} {value:.1f}" for name, value in spent.items())
        say(f"{number:4} {day} {rows.landed} rows: {shown}, processor {processor[-1]:.1f}")
    run_id = job.open_run().run_id
    digests = {}
    for table, order in CONTENT.items():
        frame = lake.read(table).drop(*order)
        if c.RUN_ID in frame.columns:
            frame = frame.where(frame[c.RUN_ID] == run_id)
        digests[table] = frame_digest(frame)[0]
    return Fed(tuple(seconds), tuple(processor), digests, conservation(lake.home))


def lasting_session() -> SparkSession:
    """A session for one process that lives through many days."""
    settings = load_settings(DATASET, overrides={"spark.java_options": JAVA})
    return make_session(settings.spark, app="feed")


def conservation(home: Path) -> Conservation:
    """Rows of every complete batch, added up."""
    rows = read_rows(home, "batches", status="complete")
    names = (c.LANDED, c.ACCEPTED, c.QUARANTINED, c.DUPLICATE)
    return Conservation(len(rows), *(sum(row[name] for row in rows) for name in names))


def flatness(totals: Sequence[float]) -> float:
    """Mean seconds of the last 30 runs over those of the runs 30 to 60."""
    return statistics.fmean(totals[-30:]) / statistics.fmean(totals[30:60])


def _records(path: Path) -> int:
    """Lines but the header; these files quote no line breaks."""
    with path.open("rb") as handle:
        return sum(1 for _ in handle) - 1


def figures_of(fed: Fed, whole: Fed) -> list[Figure]:
    """What is told of a feed, compared with one bulk load."""
    totals = [sum(each.values()) for each in fed.seconds]
    figures = [Figure("run.median_seconds", statistics.median(totals))]
    for stage in STAGES:
        spent = [each[stage] for each in fed.seconds if stage in each]
        figures.append(Figure(f"run.median_seconds.{stage}", statistics.median(spent)))
    figures.append(Figure("run.median_processor_seconds", statistics.median(fed.processor)))
    if len(totals) >= 90:
        for what, spent in (("seconds", totals), ("processor_seconds", fed.processor)):
            of = f"{what}.last_30_over_30_to_60"
            figures.append(Figure(of, flatness(spent), 1.5, at_most=True))
    same = {"conservation": fed.rows == whole.rows}
    same |= {f"{each}.digest": fed.digests[each] == whole.digests[each] for each in CONTENT}
    figures += [Figure(f"{each}_equals_bulk", float(same[each]), 1) for each in same]
    return figures


def real_days() -> list[Path]:
    """The files of the real log, a day each, ascending; ends the command where there are none."""
    files = sorted(SOURCE.glob("*.csv"))
    if not files:
        sys.exit(f"real data are absent: no files in {SOURCE}")
    return files


def main() -> None:
    """Feed, compare and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, help="feed only the first so many files")
    orders = ("by_day", "shuffled")
    parser.add_argument("--orders", nargs="+", choices=orders, default=orders)
    parser.add_argument("--minutes", type=float, default=math.inf, help="the longest of a feed")
    given = parser.parse_args()
    files = real_days()[: given.files]
    command = shlex.join(["python", "-m", "benchmarks.daily.feed", *sys.argv[1:]])
    spark = lasting_session()

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def fed(landings: Sequence[Sequence[Path]], minutes: float = math.inf) -> tuple[Fed, float]:
        with tempfile.TemporaryDirectory(prefix="recsys-feed-") as work:
            began = time.perf_counter()
            found = feed(spark, landings, Path(work), minutes=minutes, say=say)
            return found, time.perf_counter() - began

    for name in given.orders:
        queue = files
        if name == "shuffled":
            order = np.random.default_rng(SEED).permutation(len(files))
            queue = [files[place] for place in order]
        found, seconds = fed([[path] for path in queue], given.minutes)
        queue = sorted(queue[: len(found.seconds)])
        whole, bulk_seconds = fed([queue])
        figures = [Figure("seconds", seconds), Figure("bulk.seconds", bulk_seconds)]
        write_report(
            f"feed-{name}",
            figures + figures_of(found, whole),
            heading=f"Days fed one at a time, {name.replace('_', ' ')}",
            about=f"{len(queue)} of {len(files)} files, {whole.rows.landed:,} rows, each file a "
            "run of ingest, validate and features, in one session whose JVM may optimise what it "
            f"runs; load of the machine at the end {os.getloadavg()[2]:.1f}.",
            command=command,
            seed=SEED,
        )
    spark.stop()


if __name__ == "__main__":
    main()
