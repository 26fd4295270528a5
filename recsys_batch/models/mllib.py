"""Implicit-feedback ALS on a cluster, with Spark MLlib: for matrices that one machine cannot hold.

The model is that of `recsys_batch.models.als`, said in MLlib's terms. There, the confidence of a
rating r is ``1 + alpha * r``; here it is ``alpha * weight``, so that ``r = weight - 1 / alpha``. An
interaction that weighs less than ``1 / alpha`` has confidence 1, as pairs without one have: MLlib
knows none below. And MLlib multiplies the penalty of a row by its number of interactions (Zhou,
Wilkinson, Schreiber, Pan, "Large-scale Parallel Collaborative Filtering for the Netflix Prize",
AAIM 2008), so that its regularisation is divided by the mean of that number over all rows.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from recsys_batch.models.als import Floats, require_finite
from recsys_batch.models.checkpoints import UNFINISHED

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_BLOCKS = 10  # of users and of items; the factors depend on it, so that it is not the cluster's
_CHECKPOINT_SWEEPS = 5  # after which the plan, which grows with each, is cut
_ROWS = 1 << 20  # pairs a row group: what a task reads at once
_JOBS_BEFORE, _JOBS_A_SWEEP = 2, 2  # blocks of users and of items; the Gram matrix of each
_POLL = 0.5  # seconds between two looks at what is done


def fit_mllib(
    spark: SparkSession,
    weights: sparse.csr_matrix,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    seed: int,
    frequency_exponent: float = 0.0,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Floats, Floats]:
    """Fit ALS on Spark's executors.

    Parameters
    ----------
    weights, factors, regularization, alpha, iterations, seed, frequency_exponent
        As in `recsys_batch.models.als.fit_als`.
    folder
        Driver and executors see it: interactions and checkpoints lie there while this runs.
    progress
        Called with sweeps done and sweeps in all.

    Returns
    -------
    users, items
        float32, rows x factors, in the order of the matrix; zeros where there is no interaction.

    Raises
    ------
    InputDataError
        The factors are not finite.
    """
    from pyspark.ml.recommendation import ALS

    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as work:
        pairs = Path(work) / "pairs.parquet"
        write_ratings(weights, pairs, alpha=alpha)
        spark.sparkContext.setCheckpointDir(str(Path(work) / "checkpoints"))
        als = ALS(
            rank=factors,
            maxIter=iterations,
            regParam=mean_regularization(weights, regularization, frequency_exponent),
            alpha=alpha,
            implicitPrefs=True,
            numUserBlocks=_BLOCKS,
            numItemBlocks=_BLOCKS,
            checkpointInterval=_CHECKPOINT_SWEEPS,
            seed=seed,
            userCol="user",
            itemCol="item",
            ratingCol="rating",
        )
        frame = spark.read.schema("user INT, item INT, rating FLOAT").parquet(str(pairs))
        with _watched(spark, iterations, progress):
            model = als.fit(frame)
            found = tuple(
                placed(part, rows=rows, factors=factors)
                for part, rows in zip(
                    (model.userFactors, model.itemFactors), weights.shape, strict=True
                )
            )
    users, items = found
    require_finite(users, items, where=f"regularization {regularization}, alpha {alpha}")
    return users, items


def write_ratings(weights: sparse.csr_matrix, path: Path, *, alpha: float) -> None:
    """Write interactions as MLlib's ratings, a block of users at a time: user, item, rating.

    Parameters
    ----------
    weights
        Users x items, positive.
    """
    least = np.finfo(np.float32).tiny  # MLlib takes what is not positive for a dislike
    schema = pa.schema([("user", pa.int32()), ("item", pa.int32()), ("rating", pa.float32())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, weights.nnz, _ROWS):
            cells = np.arange(start, min(start + _ROWS, weights.nnz))
            users = np.searchsorted(weights.indptr, cells, side="right") - 1
            rating = np.maximum(weights.data[cells] - np.float32(1 / alpha), least)
            columns: tuple[Any, ...] = (users, weights.indices[cells], rating)
            arrays = [
                pa.array(each.astype(kind.to_pandas_dtype()))
                for each, kind in zip(columns, schema.types, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def mean_regularization(
    weights: sparse.csr_matrix, regularization: float, frequency_exponent: float
) -> float:
    """MLlib's regularisation, under which the penalties of all rows add up to the same.

    It multiplies the penalty of a row by its interactions: an exponent of 1 is its own.
    """
    counts = np.concatenate([np.diff(weights.indptr), np.bincount(weights.indices)])
    counts = counts[counts > 0].astype(np.float64)
    return float(regularization * (counts**frequency_exponent).sum() / counts.sum())


def placed(frame: DataFrame, *, rows: int, factors: int) -> Floats:
    """MLlib's factors by row: float32, rows x factors; zeros where a row has none.

    Parameters
    ----------
    frame
        `userFactors` or `itemFactors` of a fitted model.
    """
    table = frame.toArrow()
    found = np.zeros((rows, factors), dtype=np.float32)
    vectors = table["features"].combine_chunks().flatten().to_numpy()
    found[table["id"].to_numpy()] = vectors.reshape(-1, factors)
    return found


@contextmanager
def _watched(
    spark: SparkSession, iterations: int, progress: Callable[[int, int], None] | None
) -> Iterator[None]:
    """Report sweeps by the jobs that MLlib, which says nothing itself, has started."""
    if progress is None:
        yield
        return
    context, group = spark.sparkContext, f"als-{uuid.uuid4().hex}"
    context.setJobGroup(group, "ALS")
    done = threading.Event()

    def look() -> None:
        tracker = context.statusTracker()
        told = 0
        while not done.wait(_POLL):
            started = len(tracker.getJobIdsForGroup(group)) - _JOBS_BEFORE
            sweeps = min(started // _JOBS_A_SWEEP, iterations)
            if sweeps > told:
                told = sweeps
                progress(told, iterations)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
        progress(iterations, iterations)
    finally:
        done.set()
        watcher.join()
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]  # removes it
