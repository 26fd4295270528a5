"""The benchmark of natures scores the lists of a run, and what they are held against, alike."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from benchmarks.quality import rivals
from benchmarks.quality.compared import OURS, PLAIN, POPULARITY, Judged, cold_items, judge, rows_of
from benchmarks.quality.lakes import read_day
from benchmarks.quality.natures import NATURES, left_lists
from recsys_batch.config import load_settings
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.job import Job
from recsys_batch.lake.store import Lake
from recsys_batch.models.recipes import FACTORS


def judged(keys: list[bytes], lists: list[float], popular: list[float]) -> Judged:
    metrics = ("ndcg@10", "recall@100 of cold items")
    values = {OURS: lists, POPULARITY: popular, PLAIN: popular}
    return Judged(
        np.array(keys),
        np.array(["light"] * len(keys)),
        {(model, metric): np.array(own) for model, own in values.items() for metric in metrics},
        np.zeros((len(keys), 1), dtype=np.int32),
    )


def test_a_user_of_two_days_counts_once_with_the_mean():
    days = [
        judged([b"one", b"two"], [1.0, 0.5], [0.0, 0.0]),
        judged([b"two"], [0.0], [0.0]),
    ]
    rows = {(row.model, row.metric): row for row in rows_of("made", days)}
    assert rows["hold-out", "users"].value == 2
    assert rows[OURS, "ndcg@10, 2 users"].value == pytest.approx((1.0 + 0.25) / 2)
    better = rows[f"lists less {POPULARITY}", "ndcg@10, low end above 0"]
    assert better.value == pytest.approx(0.625)
    assert better.goal == 0.0
    assert better.holds is True


def test_a_difference_whose_interval_holds_zero_is_no_gain():
    rng = np.random.default_rng(3)
    own = rng.random(40)
    keys = [f"{place:02}".encode() for place in range(40)]
    rows = rows_of("made", [judged(keys, own.tolist(), rng.permutation(own).tolist())])
    (row,) = (
        row for row in rows if row.metric == "ndcg@10, low end above 0" and "und" in row.model
    )
    assert row.holds is False
    assert row.interval is not None
    assert row.interval[0] < 0 < row.interval[1]


def test_natures_set_nothing_by_hand():
    for nature in NATURES.values():
        assert nature.overrides == ()
        assert bool(nature.preset) != bool(nature.files)


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "users"), [("online_retail", 4372), ("movielens_time", 943)])
def test_every_user_of_the_real_files_can_be_named(datasets, tmp_path, name, users):
    assert len(set(NATURES[name].landed(datasets, tmp_path).user_ids)) == users


@pytest.fixture(scope="module")
def job(spark, shop) -> Job:
    """The shop's second day; other runs of that day may be in the lake."""
    return Job(
        settings=load_settings("sample"),
        lake=Lake(spark, shop.home),
        landing=shop.landing,
        day=dt.date(2026, 1, 12),
        now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
    )


@pytest.mark.spark
@pytest.mark.slow
def test_lists_left_behind_score_as_the_run_said(job, shop, monkeypatch):
    day = read_day(job)
    monkeypatch.setattr(rivals, "GRID", rivals.GRID[:2])
    als = rivals.tuned_als(day, say=lambda _line: None)
    assert als.trained_on.data.weights.shape == day.model.trained_on.data.weights.shape
    assert set(als.recipe.weights) == {FACTORS, "popular"}
    found = judge(day, als)
    key, _ = load_key(create=False)
    ids = pl.read_parquet(shop.landing.parent / "truth" / "users.parquet")["user_id"]
    lists = left_lists(day, found, {key.user_key(each): each for each in ids})
    stored = pl.read_delta(str(shop.home / "gold" / "metrics"))
    (value,) = stored.filter(
        (pl.col("run_id") == job.open_run().run_id)
        & (pl.col("model") == "lists")
        & (pl.col("metric") == "ndcg@10")
    )["value"]
    assert found.figures[OURS, "ndcg@10"].mean() == pytest.approx(value)
    assert set(lists["user"]) <= set(ids)
    assert lists.group_by("user").len()["len"].max() == 100
    assert not lists.select("user", "item").is_duplicated().any()
    rows = rows_of("made", [found])
    assert {row.model for row in rows} >= {OURS, POPULARITY, PLAIN, "implicit ALS, tuned"}
    assert all(np.isfinite(row.value) for row in rows)
    assert cold_items(day).any()
