"""Ranking on Spark: tasks map the model into memory and rank blocks of users; no shuffle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.lake.tables import LIST_ITEM
from recsys_batch.ranking.lists import user_lists
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LIST = f"{c.USER_KEY} STRING, {c.REGION} STRING, {c.ITEMS} ARRAY<{LIST_ITEM}>"
_BLOCK_USERS = 256
_TASKS_A_CORE = 2  # so that a core whose users are quick takes on more


def rank_users(
    spark: SparkSession,
    path: Path,
    policy: Policy,
    *,
    as_of: dt.date,
    run_id: str,
    n: int,
    rows: npt.NDArray[np.integer] | None = None,
) -> DataFrame:
    """Rank items for users of a stored model who may have a list.

    The file is shipped once to each machine and mapped into memory by its workers. Tasks are pure,
    so that a retried or speculative one does no harm.

    Parameters
    ----------
    path
        What `RankingModel.save` wrote.
    policy, as_of, run_id, n
        As in `Ranker`.
    rows
        Rows of the users; None: of all. A list does not depend on what other users are ranked.

    Returns
    -------
    DataFrame
        user_key, region, items, ranked_in.
    """
    from pyspark import SparkFiles
    from pyspark.sql import functions as F

    context = spark.sparkContext
    context.addFile(str(path))
    name = path.name
    users = np.flatnonzero(load_model(path).trained_on.listed) if rows is None else rows
    blocks = -(-len(users) // _BLOCK_USERS)
    tasks = max(1, min(blocks, _TASKS_A_CORE * context.defaultParallelism))

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1):
            ranker, reasons = _opened(SparkFiles.get(name), policy, as_of, run_id, n)
            for batch in batches:
                for block in batch.column(0).to_pylist():
                    own = users[block * _BLOCK_USERS : (block + 1) * _BLOCK_USERS]
                    yield user_lists(ranker, own, reasons)

    lists = spark.range(0, blocks, 1, tasks).mapInArrow(run, _LIST)
    return lists.withColumn(c.RANKED_IN, F.lit(run_id))


def wake_workers(spark: SparkSession) -> None:
    """Start the workers of `rank_users`, a core each, and let them import what it needs.

    They wait for a minute (Spark's limit): worth it just before ranking.
    """
    tasks = spark.sparkContext.defaultParallelism

    def wake(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import recsys_batch.ranking.runner  # noqa: F401

        yield from batches

    spark.range(0, tasks, 1, tasks).mapInArrow(wake, "id LONG").count()


_workers: dict[str, tuple[Ranker, Reasons]] = {}


def _opened(
    path: str, policy: Policy, as_of: dt.date, run_id: str, n: int
) -> tuple[Ranker, Reasons]:
    """A worker's ranker, made once a process."""
    name = f"{path}:{policy.digest()}:{as_of}:{run_id}:{n}"
    if name not in _workers:
        model = load_model(Path(path))
        ranker = Ranker(model, policy, as_of=as_of, run_id=run_id, n=n)
        _workers.clear()
        _workers[name] = (ranker, Reasons(model))
    return _workers[name]
