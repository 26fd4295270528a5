"""Ingest against plain Spark that reads the same CSV files and writes Delta without any check.

Ours reads, numbers and keeps every line in bronze, checks it against the contract, makes user ids
pseudonyms, finds repeated events, writes silver by day and counts it all; plain Spark reads
columns of given types and writes them. Both run in turn in one warm session, several rounds, each
into a new lake; ratios are taken within a round and their median is reported, so that other load
on the machine meets both; those of processor seconds are hardly touched by it. Run from the
project's root:

    python -m benchmarks.speed.ingest
    python -m benchmarks.speed.ingest --users 1000 --days 20 --rounds 1
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.report import REPORTS, Figure, ratio, write_report
from recsys_batch.config import Dataset, SparkSettings, load_settings
from recsys_batch.ingest.batch import sources, take
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.lake.cost import processor_seconds
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake
from recsys_batch.simulator import shop_settings, simulate

ROOT = Path(__file__).resolve().parents[2]
KEY = PseudonymKey(b"the key of a benchmark", "the benchmark")
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
WARMING = 6  # files of the round that warms the session
GOAL = 2.0  # times the time of plain Spark, at most
SCHEMA = (
    "event_id STRING, user_id STRING, item_id STRING, event_type STRING, event_time TIMESTAMP, "
    "request_id STRING, position INT, propensity DOUBLE, price DOUBLE, quantity DOUBLE, "
    "region STRING, device STRING, surface STRING, consent BOOLEAN"
)


def simulated(users: int, days: int, seed: int) -> Path:
    """Return the landing folder of a simulated shop, made once and then found again."""
    made = Path(tempfile.gettempdir()) / f"recsys-batch-shop-{users}-{days}-{seed}"
    if not made.exists():
        aside = Path(tempfile.mkdtemp(prefix=f"{made.name}-", dir=made.parent))
        simulate(shop_settings("shop", {"users": users, "days": days, "seed": seed}), out=aside)
        aside.rename(made)
    return made / "landing"


def plain(spark: SparkSession, landing: Path, home: Path) -> int:
    """Read the event files with a schema and write them as one Delta table; return its rows."""
    target = str(home / "plain")
    frame = spark.read.schema(SCHEMA).option("header", True).csv(str(landing / "events"))
    frame.write.format("delta").save(target)
    return spark.read.format("delta").load(target).count()


def ours(spark: SparkSession, dataset: Dataset, landing: Path, home: Path) -> int:
    """Take the event files as a run does; return the records landed."""
    (events,) = (source for source in sources(dataset) if source.name == "events")
    lake = Lake(spark, home / dataset.name)
    return take(lake, events, dataset=dataset, landing=landing, key=KEY, now=NOW).landed


def measure(
    spark: SparkSession, dataset: Dataset, landing: Path, rounds: int, below: Path
) -> tuple[list[Figure], int]:
    """Run both in turn; return the report's rows, and how many records there were."""
    runs: dict[str, Callable[[Path, Path], int]] = {
        "ours": lambda folder, home: ours(spark, dataset, folder, home),
        "plain": lambda folder, home: plain(spark, folder, home),
    }
    few = below / "few"
    (few / "events").mkdir(parents=True)
    for file in sorted((landing / "events").iterdir())[:WARMING]:
        shutil.copy(file, few / "events")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    records: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, run in runs.items():
            home = Path(tempfile.mkdtemp(prefix=name, dir=below))
            start, taken = time.perf_counter(), processor_seconds()
            records[name] = run(landing if number else few, home)
            if number:  # the first round warms the session
                seconds[name].append(time.perf_counter() - start)
                processor[name].append(processor_seconds() - taken)
            shutil.rmtree(home)
    if records["ours"] != records["plain"]:
        raise AssertionError(f"they did not read the same: {records}")
    figures = [
        Figure(f"{name}, records a second", records[name] / statistics.median(spent))
        for name, spent in seconds.items()
    ]
    for what, spent in (("time", seconds), ("processor seconds", processor)):
        name = f"ours / plain, {what} of one run"
        figures.append(ratio(name, spent["ours"], spent["plain"], GOAL, at_most=True))
    return figures, records["ours"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=9000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown."""
    given = _arguments()
    load = os.getloadavg()[0]
    settings = SparkSettings()
    landing = simulated(given.users, given.days, given.seed)
    files = sorted((landing / "events").iterdir())
    size = sum(file.stat().st_size for file in files)
    spark = make_session(settings, app="benchmark of ingest")
    try:
        with tempfile.TemporaryDirectory(prefix="recsys-batch-ingest-") as name:
            dataset = load_settings("sample").dataset
            figures, records = measure(spark, dataset, landing, given.rounds, Path(name))
    finally:
        spark.stop()
    command = shlex.join(["python", "-m", "benchmarks.speed.ingest", *sys.argv[1:]])
    about = (
        f"{records:,} simulated records in {len(files)} CSV files of {size / 1e6:.0f} MB in all; "
        f"Spark {settings.master} with {settings.driver_memory}; {os.cpu_count()} cores, load of "
        f"the machine before the run {load:.1f}."
    )
    text = write_report(
        "ingest",
        figures,
        heading="Ingest",
        about=about,
        command=command,
        seed=given.seed,
        folder=given.out,
    )
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
