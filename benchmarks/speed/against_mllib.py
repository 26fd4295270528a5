"""Factors and lists for all users, from a Parquet file to a Delta table: ours against Spark MLlib.

Both read the same file of pairs, train implicit-feedback ALS with the same rank, sweeps and
confidence, rank a hundred items for every user and write them to Delta. Ours is `fit_als`,
`list_batches` and `write_batches`, and leaves out what a user has seen; MLlib's is `ALS` and
`recommendForAllUsers`, which does not, in a session with 8 GB. Both are warm. One run of MLlib
stands between runs of ours, of which the median counts; ratios of processor seconds are hardly
touched by other load. The factors of both are judged alike, by exact lists without seen items, on
pairs held out. Either penalty grows with a row's pairs: it is one and the same objective, with the
penalty that `--choose ours` found best on pairs cut from those to train on. From the project's
root:

    python -m benchmarks.speed.against_mllib --data made
    python -m benchmarks.speed.against_mllib --data gowalla
    python -m benchmarks.speed.against_mllib --data made --choose ours
    python -m benchmarks.speed.against_mllib --users 10000 --pairs 500000 --choose mllib
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from benchmarks.report import REPORTS, Figure, write_report
from benchmarks.speed.contenders import (
    BLOCKS,
    Run,
    Work,
    mllib,
    ours,
    train_mllib,
    train_ours,
)
from benchmarks.speed.pairs import Pairs, gowalla_pairs, made_pairs, ndcg, without_some
from recsys_batch.config import SparkSettings
from recsys_batch.lake.session import make_session
from recsys_batch.setup.machine import cores

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = SparkSettings(driver_memory="8g", shuffle_partitions=BLOCKS)
GOAL = 40.0  # times as fast
BEFORE, AFTER = 2, 3  # runs of ours around one of MLlib's
CONFIDENCE = {"made": 10.0, "gowalla": 20.0}  # of a pair, against 1 of others
CHOICES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
PENALTY = {"made": 1.0, "gowalla": 1.0}  # times a row's pairs


def lists_written(table: Path) -> int:
    """Rows of a table."""
    return int(DeltaTable(str(table)).to_pyarrow_dataset().count_rows())


def measure(
    spark: SparkSession, pairs: Pairs, work: Work, penalty: float, below: Path
) -> list[Figure]:
    """Run both on the same pairs; return the report's figures."""
    shape = pairs.train.shape
    file = below / "pairs.parquet"
    pairs.write(file)
    run = {
        "ours": partial(ours, file, shape, work, below / "ours", penalty),
        "MLlib": partial(mllib, spark, file, shape, work, below / "mllib", penalty),
    }
    names = ["ours"] * BEFORE + ["MLlib"] + ["ours"] * AFTER
    done: dict[str, list[Run]] = {"ours": [], "MLlib": []}
    for name in names:
        done[name].append(run[name]())
    return figures(pairs, done, {name: below / name.lower() for name in done})


def figures(pairs: Pairs, done: dict[str, list[Run]], tables: dict[str, Path]) -> list[Figure]:
    """What the runs took and what their factors are worth."""
    median: dict[str, Callable[[Callable[[Run], float]], float]] = {
        name: lambda of, runs=runs: statistics.median(of(run) for run in runs)
        for name, runs in done.items()
    }
    rows = []
    for name, middle in median.items():
        runs = f"median of {len(done[name])}" if len(done[name]) > 1 else "one run"
        rows += [
            Figure(f"{name}, seconds to train ({runs})", middle(lambda run: run.seconds["train"])),
            Figure(f"{name}, seconds to rank and write", middle(lambda run: run.seconds["lists"])),
            Figure(f"{name}, seconds in all", middle(lambda run: run.total)),
            Figure(f"{name}, processor seconds in all", middle(lambda run: run.processor)),
            Figure(f"{name}, lists written", lists_written(tables[name])),
        ]
    for what, of in (
        ("training, times as fast", lambda run: run.seconds["train"]),
        ("ranking and writing, times as fast", lambda run: run.seconds["lists"]),
        ("processor seconds, times as few", lambda run: run.processor),
    ):
        rows.append(Figure(what, median["MLlib"](of) / median["ours"](of)))
    spent = [run.total for run in done["ours"]]
    whole = median["MLlib"](lambda run: run.total)
    spread = f"{whole / max(spent):.1f} to {whole / min(spent):.1f}"
    rows.append(Figure(f"in all, times as fast ({spread})", whole / statistics.median(spent), GOAL))
    worth = {name: ndcg(pairs, runs[-1].users, runs[-1].items) for name, runs in done.items()}
    rows.append(Figure("MLlib, NDCG@10 on held-out pairs", worth["MLlib"]))
    return [*rows, Figure("ours, NDCG@10 on held-out pairs", worth["ours"], worth["MLlib"])]


def choose(spark: SparkSession, name: str, pairs: Pairs, work: Work, below: Path) -> Iterator[str]:
    """What each penalty of one of the two is worth on pairs cut from those to train on."""
    cut = without_some(pairs, work.seed)
    file = below / "pairs.parquet"
    cut.write(file)
    for penalty in CHOICES:
        given = (file, cut.train.shape, work, penalty)
        made, _ = train_ours(*given) if name == "ours" else train_mllib(spark, *given)
        worth = ndcg(cut, made.users, made.items)
        yield f"{name}, penalty {penalty:g}: NDCG@10 {worth:.4f} in {made.total:.1f} s\n"


def _pairs(given: argparse.Namespace) -> Pairs:
    if given.data == "gowalla":
        return gowalla_pairs(given.folder)
    return made_pairs(given.users, given.items, given.pairs, given.seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", choices=("made", "gowalla"), default="made")
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared/datasets/gowalla")
    parser.add_argument("--users", type=int, default=100_000, help="of made pairs")
    parser.add_argument("--items", type=int, default=20_000, help="of made pairs")
    parser.add_argument("--pairs", type=int, default=5_000_000, help="made to train on")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=5, help="sweeps over users and items")
    parser.add_argument("--n", type=int, default=100, help="length of the lists")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", choices=("ours", "mllib"), help="try penalties, and no more")
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown."""
    given = _arguments()
    work = Work(given.factors, given.iterations, CONFIDENCE[given.data], given.n, given.seed)
    pairs, penalty, load = _pairs(given), PENALTY[given.data], os.getloadavg()[0]
    spark = make_session(SETTINGS, app="benchmark against MLlib")
    try:
        with tempfile.TemporaryDirectory(prefix="recsys-batch-mllib-") as name:
            spark.sparkContext.setCheckpointDir(f"{name}/checkpoints")
            if given.choose:
                sys.stdout.writelines(choose(spark, given.choose, pairs, work, Path(name)))
                return
            (Path(name) / "few").mkdir()
            measure(spark, made_pairs(300, 200, 3000, 0), work, penalty, Path(name) / "few")
            found = measure(spark, pairs, work, penalty, Path(name))
    finally:
        spark.stop()
    about = (
        f"{given.data}: {pairs.told}; {work.factors} factors, {work.iterations} sweeps, confidence "
        f"{work.confidence:g}, penalty {penalty:g} times a row's pairs, lists of {work.n}; Spark "
        f"{SETTINGS.master} with {SETTINGS.driver_memory}, {BLOCKS} blocks; {cores()} cores, load "
        f"of the machine before the runs {load:.1f}."
    )
    text = write_report(
        f"mllib-{given.data}",
        found,
        heading=f"Against Spark MLlib, {given.data}",
        about=about,
        command=shlex.join(["python", "-m", "benchmarks.speed.against_mllib", *sys.argv[1:]]),
        seed=given.seed,
        folder=given.out,
    )
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
