"""The stage that fits: whichever engine fitted them, the same tables hold the factors."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from jobs import features, ingest, train, tune, validate
from recsys_batch.config import load_settings
from recsys_batch.job import Job
from recsys_batch.lake.store import Lake
from recsys_batch.ranking.model import load_model
from recsys_batch.ranking.stored import model_path, run_folder
from recsys_batch.simulator import shop_settings, simulate

pytestmark = [pytest.mark.spark, pytest.mark.slow]
OVERRIDES: dict[str, Any] = {
    "evaluation.holdout_days": 2,
    "model.sources": {"als": {"kind": "als", "factors": 4, "iterations": 3}},
    "model.weights": {"als": 1.0},
    "model.memory": "1k",
}


def test_what_the_machine_lacks_the_memory_for_is_fitted_by_mllib(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("engine")
    shop = shop_settings("shop", {"users": 50, "items": 30, "days": 8})
    landing = simulate(shop, out=folder / "shop").landing
    said: list[str] = []
    job = Job(
        settings=load_settings("sample", overrides=OVERRIDES),
        lake=Lake(spark, folder / "lake"),
        landing=landing,
        day=max(dt.date.fromisoformat(path.stem) for path in (landing / "events").iterdir()),
        now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
        say=said.append,
    )
    for stage in (ingest, validate, tune, features, train):
        stage.run(job)
    lacking = "als: 1 MiB of memory are needed, 0 MiB available: fitted by Spark MLlib"
    assert said.count(lacking) == 2
    run_id = job.open_run().run_id
    for part in ("full", "train"):
        model = load_model(model_path(job.home, run_id, part))
        for table, factors in (
            ("user_factors", model.factors.users),
            ("item_factors", model.factors.items),
        ):
            rows = pa.table(DeltaTable(job.lake.path(table)).scan()).to_pylist()
            found = np.array([row["factors"] for row in rows if row["part"] == part])
            known = factors[factors.any(axis=1)]
            np.testing.assert_array_equal(found[np.lexsort(found.T)], known[np.lexsort(known.T)])
    kept = {path.name for path in run_folder(job.home, run_id).iterdir()}
    assert kept == {f"{run_id}-full.model", f"{run_id}-train.model"}
