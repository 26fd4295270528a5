"""Ranking on Spark equals ranking all users at once, however they are spread."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pyarrow as pa
import pytest
from models.feature_tables import UNTIL

from ranking.cases import ranker, recipe, trained
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.tables import TABLES
from recsys_batch.models.sources import RegionalSettings, RepeatSettings
from recsys_batch.ranking.lists import segment_lists, user_lists
from recsys_batch.ranking.model import RankingModel, fit_model
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.reasons import Reasons
from recsys_batch.ranking.runner import rank_users, wake_workers
from recsys_batch.ranking.stored import model_path

pytestmark = pytest.mark.spark

ITEMS = [f"i{number:02}" for number in range(30)]
# More than two blocks, of which the last is not full.
USERS = [hashlib.sha256(number.to_bytes(2)).hexdigest() for number in range(600)]


@pytest.fixture(scope="module", params=["exclude", "allow"])
def shop(request) -> RankingModel:
    """Every third user has no history; the last saw everything; some train but have no list."""
    rng = np.random.default_rng(6)
    history = [
        (user, ITEMS[item], 1.5, "purchase" if item % 2 else "view", bool(item % 2), int(item))
        for place, user in enumerate([*USERS[:-1], "unlisted"])
        if place % 3
        for item in rng.choice(30, size=5, replace=False)
    ]
    history += [(USERS[-1], item, 1.0, "purchase", True, 1) for item in ITEMS]
    known = trained(
        ITEMS,
        *history,
        users={user: ("north", "süd", None)[place % 3] for place, user in enumerate(USERS)},
        popular={None: {item: 30.0 - place for place, item in enumerate(ITEMS)}},
        blocked=["i07", "i29"],
    )
    sources = {"near": RegionalSettings(), "again": RepeatSettings()}
    return fit_model(known, recipe(sources, newcomers="near", seen=request.param))


def on_spark(spark, path, n: int, **rules):
    policy = Policy.model_validate({"version": "1", **rules})
    return rank_users(spark, path, policy, as_of=UNTIL, run_id="run", n=n)


def stored(shop: RankingModel, home) -> object:
    path = model_path(home, f"r-{shop.recipe.seen}", "full")
    shop.save(path)
    return path


def test_users_on_spark_equal_all_at_once_in_any_partitions(spark, shop, tmp_path):
    path = stored(shop, tmp_path)
    ranked = on_spark(spark, path, 12)
    rows = np.flatnonzero(shop.trained_on.listed)
    whole = user_lists(ranker(shop, 12), rows, Reasons(shop)).to_pylist()
    assert len(whole) == len(USERS)
    found = [row.asDict(recursive=True) for row in ranked.orderBy("user_key").collect()]
    assert {row.pop("ranked_in") for row in found} == {"run"}
    assert found == whole
    again = frame_digest(on_spark(spark, path, 12).repartition(5))
    assert again == frame_digest(ranked)
    last = {row["user_key"]: row["items"] for row in found}[USERS[-1]]
    assert bool(last) == (shop.recipe.seen == "allow")


def test_lists_fit_the_tables_they_are_written_to(spark, shop, tmp_path):
    ranked = on_spark(spark, stored(shop, tmp_path), 2)
    kinds = {field.name: field.dataType for field in ranked.schema}
    users = spark.createDataFrame([], TABLES["topn_user"].ddl).schema
    assert {name: users[name].dataType for name in kinds} == kinds
    frame = spark.createDataFrame(segment_lists(ranker(shop, 4), Reasons(shop)))
    of_segments = spark.createDataFrame([], TABLES["topn_segment"].ddl).schema
    assert all(of_segments[field.name].dataType == field.dataType for field in frame.schema)
    assert [row["segment"] for row in frame.collect()] == [None, "north", "süd"]
    assert {len(row["items"]) for row in frame.collect()} == {4}


def test_workers_that_were_woken_have_imported_what_they_rank_with(spark):
    wake_workers(spark)

    def told(batches):
        name = pa.array(["recsys_batch.ranking.runner" in sys.modules for _ in batches])
        yield pa.RecordBatch.from_arrays([name], ["imported"])

    tasks = spark.sparkContext.defaultParallelism
    rows = spark.range(0, tasks, 1, tasks).mapInArrow(told, "imported BOOLEAN").collect()
    assert [row["imported"] for row in rows] == [True] * tasks
