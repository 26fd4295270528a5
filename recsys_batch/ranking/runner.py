"""Ranking on Spark: tasks map the model into memory and rank blocks of users; no shuffle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.lake.tables import LIST_ITEM
from recsys_batch.ranking.lists import user_lists
from recsys_batch.ranking.model import RankingModel, load_model
from recsys_batch.ranking.reasons import Reasons

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LIST = f"{c.USER_KEY} STRING, {c.REGION} STRING, {c.ITEMS} ARRAY<{LIST_ITEM}>"
_BLOCK_USERS = 256
_TASKS_A_CORE = 2  # so that a core whose users are quick takes on more


def rank_users(spark: SparkSession, path: Path, *, n: int) -> DataFrame:
    """Rank items for every user of a stored model who may have a list: user_key, region, items.

    The file is shipped once to each machine and mapped into memory by its workers. Tasks are pure,
    so that a retried or speculative one does no harm.

    Parameters
    ----------
    path
        What `RankingModel.save` wrote.
    """
    from pyspark import SparkFiles

    context = spark.sparkContext
    context.addFile(str(path))
    name = path.name
    listed = int(load_model(path).trained_on.listed.sum())
    blocks = -(-listed // _BLOCK_USERS)
    tasks = max(1, min(blocks, _TASKS_A_CORE * context.defaultParallelism))

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from threadpoolctl import threadpool_limits

        model, reasons, rows = _opened(SparkFiles.get(name))
        with threadpool_limits(limits=1):
            for batch in batches:
                for block in batch.column(0).to_pylist():
                    users = rows[block * _BLOCK_USERS : (block + 1) * _BLOCK_USERS]
                    yield user_lists(model, users, n=n, reasons=reasons)

    return spark.range(0, blocks, 1, tasks).mapInArrow(run, _LIST)


@lru_cache(maxsize=1)
def _opened(path: str) -> tuple[RankingModel, Reasons, np.ndarray]:
    """A worker's model, once a process; the rows of users who may have a list."""
    model = load_model(Path(path))
    return model, Reasons(model), np.flatnonzero(model.trained_on.listed)
