"""From a Parquet file of pairs to a Delta table of lists: the project's parts, and Spark MLlib."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import SparkSession
from scipy import sparse

from benchmarks.speed.pairs import read_pairs
from recsys_batch.lake.arrow import write_batches
from recsys_batch.lake.cost import processor_seconds
from recsys_batch.models.als import fit_als
from recsys_batch.models.mllib import placed
from recsys_batch.topn import list_batches

BLOCKS = 4  # of users and of items, in MLlib's training: partitions of the session's shuffles


@dataclass(frozen=True)
class Work:
    """What both do: rank, sweeps, confidence of a pair against 1 of others, length of lists."""

    factors: int
    iterations: int
    confidence: float
    n: int
    seed: int


@dataclass
class Run:
    """What one run took, by phase, and the factors it made."""

    seconds: dict[str, float] = field(default_factory=dict)
    processor: float = 0.0
    users: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    items: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start, taken = time.perf_counter(), processor_seconds()
        yield
        self.seconds[name] = time.perf_counter() - start
        self.processor += processor_seconds() - taken

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return sum(self.seconds.values())


def train_ours(
    file: Path, shape: tuple[int, int], work: Work, penalty: float
) -> tuple[Run, sparse.csr_matrix]:
    """Train with `fit_als`; return the pairs, too, which lists are to leave out.

    A row's penalty grows with its pairs, as MLlib's does.
    """
    run = Run()
    with run.phase("train"):
        pairs = read_pairs(file, shape)
        run.users, run.items = fit_als(
            pairs,
            factors=work.factors,
            regularization=penalty,
            alpha=work.confidence,
            iterations=work.iterations,
            seed=work.seed,
            frequency_exponent=1.0,
        )
    return run, pairs


def ours(file: Path, shape: tuple[int, int], work: Work, table: Path, penalty: float) -> Run:
    """Train, rank and write with the project's own parts."""
    run, pairs = train_ours(file, shape, work, penalty)
    with run.phase("lists"):
        users, items = (pa.array(np.arange(rows, dtype=np.int32)) for rows in shape)
        lists = list_batches(
            run.users,
            run.items,
            n=work.n,
            user_keys=users,
            item_ids=items,
            exclude=pairs,
        )
        write_batches(table, lists)
    return run


def train_mllib(
    spark: SparkSession, file: Path, shape: tuple[int, int], work: Work, penalty: float
) -> tuple[Run, ALSModel]:
    """Train with Spark MLlib, whose confidence is 1 + alpha."""
    model = ALS(
        rank=work.factors,
        maxIter=work.iterations,
        regParam=penalty,
        alpha=work.confidence - 1,
        implicitPrefs=True,
        numUserBlocks=BLOCKS,
        numItemBlocks=BLOCKS,
        userCol="user",
        itemCol="item",
        ratingCol="weight",
        seed=work.seed,
    )
    run = Run()
    with run.phase("train"):
        fitted = model.fit(spark.read.parquet(str(file)))
    run.users = placed(fitted.userFactors, rows=shape[0], factors=work.factors)
    run.items = placed(fitted.itemFactors, rows=shape[1], factors=work.factors)
    return run, fitted


def mllib(
    spark: SparkSession, file: Path, shape: tuple[int, int], work: Work, table: Path, penalty: float
) -> Run:
    """Train, rank and write with Spark MLlib."""
    run, fitted = train_mllib(spark, file, shape, work, penalty)
    with run.phase("lists"):
        lists = fitted.recommendForAllUsers(work.n)
        lists.write.format("delta").mode("overwrite").save(str(table))
    return run
