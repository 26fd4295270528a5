"""The top-N stage on one one-core Spark worker against two.

A stored model of random factors is ranked for all its users and the lists are written to the lake,
as the stage `recommend` does it, on a standalone cluster of loopback (`benchmarks/standalone.py`),
each worker with all its processes on one processor. Clusters of one and of two workers take turns;
each is warmed by one ranking and timed by the next ones. Both must leave equal lists. With ``--s3``
the lake's tables lie in a stand-in for S3 (`benchmarks/objectstore.py`), which takes processor time
of its own. Run from the project's root:

    python -m benchmarks.speed.workers
    python -m benchmarks.speed.workers --s3
    python -m benchmarks.speed.workers --users 2000 --items 1000 --turns 1 --repeats 1
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from scipy import sparse

from benchmarks.objectstore import store
from benchmarks.report import REPORTS, Figure, write_report
from benchmarks.standalone import standalone
from recsys_batch import columns as c
from recsys_batch.config import SparkSettings
from recsys_batch.lake.cost import processor_seconds
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.places import settle
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake
from recsys_batch.models.recipes import FACTORS, POPULAR, Recipe
from recsys_batch.models.sources import AlsSettings, FactorScores, PopularSettings
from recsys_batch.models.training import training
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.runner import rank_users

DAY = dt.date(2026, 1, 31)
HISTORY = 27  # items a user has seen, as in Gowalla
GOAL = 1.8


@dataclass
class Spent:
    """Seconds of each timed ranking, by the clock and of processors, and the lists' digest."""

    seconds: list[float] = field(default_factory=list)
    processors: list[float] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)


def ranking_model(users: int, items: int, dims: int, seed: int) -> RankingModel:
    """A model of ALS and popularity whose factors are normal, the items' norms with a long tail."""
    rng = np.random.default_rng(seed)
    keys = pa.array([f"{number:064x}" for number in range(users)])
    ids = pa.array([f"item{number:06d}" for number in range(items)])
    cells = sparse.random(users, items, density=min(1.0, HISTORY / items), rng=rng).tocoo()
    last = dt.datetime.combine(DAY, dt.time(), dt.UTC) - dt.timedelta(days=1)
    times = pa.repeat(pa.scalar(last, pa.timestamp("us", tz="UTC")), cells.nnz)
    popular = np.bincount(cells.col, minlength=items).astype(np.float64)
    nothing = pa.nulls(items, pa.string())
    known = training(
        pa.table(
            {
                c.USER_KEY: keys.take(pa.array(cells.row)),
                c.ITEM_ID: ids.take(pa.array(cells.col)),
                c.WEIGHT: np.ones(cells.nnz),
                c.EVENT_TYPE: pa.repeat("purchase", cells.nnz),
                c.SEEN: pa.repeat(True, cells.nnz),
                c.LAST_TIME: times,
            }
        ),
        pa.table(
            {
                c.USER_KEY: keys,
                c.REGION: pa.nulls(users, pa.string()),
                c.COHORT: pa.nulls(users, pa.string()),
                c.LEAST_AGE: pa.nulls(users, pa.int32()),
            }
        ),
        pa.table(
            {
                c.ITEM_ID: ids,
                **dict.fromkeys((c.TITLE, c.CATEGORY, c.DESCRIPTION), nothing),
                c.TAGS: pa.nulls(items, pa.list_(pa.string())),
                c.RECOMMENDABLE: pa.repeat(True, items),
                c.PRICE: pa.nulls(items, pa.float64()),
                c.FIRST_TIME: pa.repeat(times[0], items),
            }
        ),
        pa.table({c.SEGMENT: nothing, c.ITEM_ID: ids, c.SCORE: popular}),
        until=DAY,
    )
    rows = known.data.weights.shape[0]
    tail = rng.lognormal(sigma=0.3, size=(items, 1))
    factors = FactorScores(
        rng.normal(size=(rows, dims)).astype(np.float32),
        (rng.normal(size=(items, dims)) * tail).astype(np.float32),
    )
    factors.users[users:] = 0.0  # strangers have no history
    sources = {FACTORS: AlsSettings(factors=dims), POPULAR: PopularSettings()}
    recipe = Recipe(
        interest_half_life_days=None,
        popularity_half_life_days=None,
        seen="exclude",
        sources=sources,
        weights={FACTORS: 1.0, POPULAR: 0.2},
    )
    fitted = {FACTORS: factors, POPULAR: sources[POPULAR].fit(known.data)}
    return RankingModel(recipe, known, fitted)


def turn(
    path: Path,
    folder: Path,
    spent: Spent,
    *,
    workers: int,
    repeats: int,
    n: int,
    tables: str | None = None,
) -> None:
    """Rank the stored model on a cluster of its own: once to warm it, then timed.

    Parameters
    ----------
    tables
        ``s3://BUCKET`` that the tables lie below; None for the folder.
    """
    home = folder / "lake"
    home.mkdir(parents=True)
    settle(home, tables and f"{tables}/{folder.name}")
    with standalone(folder, workers=workers, memory="2g", pinned=True) as master:
        conf = {"spark.executor.memory": "1g"}
        settings = SparkSettings(master=master, driver_memory="1g", conf=conf)
        spark = make_session(settings, app="workers")
        lake = Lake(spark, home)
        for number in range(repeats + 1):
            before, start = processor_seconds(), time.perf_counter()
            name = f"turn-{number}"
            lists = rank_users(spark, path, Policy(version="1"), as_of=DAY, run_id="r", n=n)
            named = lists.withColumn(c.PUBLICATION_ID, F.lit(name))
            lake.replace("topn_user", named, publication_id=name)
            if number:
                spent.seconds.append(time.perf_counter() - start)
                spent.processors.append(processor_seconds() - before)
        written = lake.read("topn_user", publication_id=name).drop(c.PUBLICATION_ID)
        spent.digests.add(frame_digest(written)[0])
        spark.stop()


def measure(
    model: RankingModel,
    work: Path,
    *,
    turns: int,
    repeats: int,
    n: int,
    tables: str | None = None,
) -> list[Figure]:
    """Let clusters of one and two workers take turns; return the report's figures."""
    path = work / "workers.model"
    model.save(path)
    spent = {1: Spent(), 2: Spent()}
    for number in range(turns):
        order = (1, 2) if number % 2 == 0 else (2, 1)
        for workers in order:
            folder = work / f"turn-{number}-{workers}"
            turn(path, folder, spent[workers], workers=workers, repeats=repeats, n=n, tables=tables)
    one, two = spent[1], spent[2]
    users = int(model.trained_on.listed.sum())
    return [
        *(
            Figure(f"{name}, users a second{_spread(each.seconds)}", users / _median(each.seconds))
            for name, each in (("one worker", one), ("two workers", two))
        ),
        Figure(
            "one worker / two workers, medians", _median(one.seconds) / _median(two.seconds), GOAL
        ),
        Figure(
            "processor seconds of two workers / of one, medians",
            _median(two.processors) / _median(one.processors),
        ),
        Figure("equal lists from one and two workers", float(one.digests == two.digests), 1.0),
    ]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _spread(seconds: Sequence[float]) -> str:
    return f" ({min(seconds):.1f} to {max(seconds):.1f} s in {len(seconds)} rankings)"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=60_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--n", type=int, default=100, help="length of the lists")
    parser.add_argument("--turns", type=int, default=2, help="clusters of each size")
    parser.add_argument("--repeats", type=int, default=2, help="timed rankings of a cluster")
    parser.add_argument("--s3", action="store_true", help="the tables in a stand-in for S3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args()


def _load() -> str:
    return ", ".join(f"{each:.1f}" for each in os.getloadavg())


def main() -> None:
    """Measure, print the table, write it as JSON and Markdown."""
    given, before = _arguments(), _load()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    model = ranking_model(given.users, given.items, given.dims, given.seed)
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recsys-workers-")))
        if given.s3:
            server = stack.enter_context(store(work))
            server.bucket("lake")
            os.environ.update(server.environment)
        figures = measure(
            model,
            work,
            turns=given.turns,
            repeats=given.repeats,
            n=given.n,
            tables="s3://lake" if given.s3 else None,
        )
    where = "to Delta in S3 (moto, on the same machine)" if given.s3 else "to Delta"
    about = (
        f"{given.users:,} users x {given.items:,} items x {given.dims} dimensions and popularity, "
        f"N = {given.n}, seen items excluded, lists with reasons written {where}; each worker "
        f"with its processes on one processor of its own, on a machine of {os.cpu_count()}, which "
        f"master and driver share. Load of the machine (1, 5, 15 minutes) before: {before}; after: "
        f"{_load()}."
    )
    text = write_report(
        "workers-s3" if given.s3 else "workers",
        figures,
        heading="The top-N stage on one worker and on two"
        + (", the tables in S3" if given.s3 else ""),
        about=about,
        command=shlex.join(["python", "-m", "benchmarks.speed.workers", *sys.argv[1:]]),
        seed=given.seed,
        folder=given.out,
    )
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
