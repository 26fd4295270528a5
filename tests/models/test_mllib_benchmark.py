"""The comparison with MLlib: both train on the same pairs, lists are those of their factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from benchmarks.speed.against_mllib import figures
from benchmarks.speed.contenders import Run, Work, mllib, ours
from benchmarks.speed.pairs import made_pairs, ndcg
from recsys_batch.topn import top_n

WORK = Work(factors=8, iterations=2, confidence=10.0, n=5, seed=1)


def listed(table: Path, user: str, items: str, item: str) -> dict[int, list[int]]:
    rows = DeltaTable(str(table)).to_pyarrow_table().to_pylist()
    return {row[user]: [each[item] for each in row[items]] for row in rows}


def of_factors(run: Run, exclude: object = None) -> list[list[int]]:
    rows, _ = top_n(run.users, run.items, n=WORK.n, exclude=exclude)  # type: ignore[arg-type]
    return rows.tolist()


@pytest.mark.spark
@pytest.mark.slow
def test_both_rank_the_same_pairs(spark: SparkSession, tmp_path: Path) -> None:
    pairs = made_pairs(80, 60, 800, seed=2)
    shape = pairs.train.shape
    pairs.write(tmp_path / "pairs.parquet")
    own = ours(tmp_path / "pairs.parquet", shape, WORK, tmp_path / "ours", 1.0)
    other = mllib(spark, tmp_path / "pairs.parquet", shape, WORK, tmp_path / "mllib", 0.1)
    found = listed(tmp_path / "ours", "user_key", "items", "item_id")
    assert [found[user] for user in range(80)] == of_factors(own, pairs.train)
    theirs = listed(tmp_path / "mllib", "user", "recommendations", "item")
    exact = of_factors(other)
    assert set(theirs) == set(np.flatnonzero(np.diff(pairs.train.indptr)).tolist())
    assert np.mean([theirs[user] == exact[user] for user in theirs]) > 0.9  # but for ties
    taste = {name: ndcg(pairs, run.users, run.items) for name, run in (("o", own), ("m", other))}
    assert min(taste.values()) > 0.05
    done, tables = {"ours": [own], "MLlib": [other]}, {"ours": "ours", "MLlib": "mllib"}
    rows = {
        each.name: each
        for each in figures(pairs, done, {name: tmp_path / table for name, table in tables.items()})
    }
    (whole,) = (row for name, row in rows.items() if name.startswith("in all, times as fast"))
    assert whole.goal == 40
    assert whole.value == pytest.approx(other.total / own.total)
    assert rows["ours, NDCG@10 on held-out pairs"].goal == taste["m"]
