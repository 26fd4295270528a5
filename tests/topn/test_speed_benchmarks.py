"""The benchmarks of speed at small sizes: their answers are checked, their figures stand."""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import added, peak_memory
from benchmarks.speed import growth, million
from benchmarks.speed.pairs import made_pairs, ndcg, read_pairs, without_some
from benchmarks.speed.run import RUNS, commands


def test_a_small_million_is_ranked_exactly(tmp_path: Path) -> None:
    sizes = {"users": 300, "items": 200, "dims": 16}
    million.make_factors(tmp_path, **sizes, seed=3)
    million.rank(tmp_path, tmp_path / "lists", 10)
    assert million.checked(tmp_path, tmp_path / "lists", 10, 3) == (300, 1.0)


def test_a_wrong_list_is_seen(tmp_path: Path) -> None:
    million.make_factors(tmp_path, users=300, items=200, dims=16, seed=3)
    million.rank(tmp_path, tmp_path / "lists", 10)
    users = np.load(tmp_path / "users.npy")
    np.save(tmp_path / "users.npy", -users)
    full, exact = million.checked(tmp_path, tmp_path / "lists", 10, 3)
    assert full == 300
    assert exact == 0.0


def test_the_first_users_of_stored_factors_can_be_taken(tmp_path: Path) -> None:
    million.make_factors(tmp_path, users=50, items=20, dims=4, seed=1)
    rows, items, seen = million.mapped(tmp_path, 30)
    assert rows.shape == (30, 4)
    assert items.shape == (20, 4)
    assert seen.shape == (30, 20)
    assert (np.diff(seen.indptr) == million.SEEN).all()


def test_memory_that_a_call_adds_is_seen() -> None:
    size = 64 * 2**20
    held = added(lambda: np.ones(size, dtype=np.uint8))
    assert 0.98 * size < held < 1.2 * size
    assert added(lambda: None) < 2**20


def test_memory_of_this_process_is_looked_at_while_it_works() -> None:
    with peak_memory(os.getpid()) as before:
        pass
    with peak_memory(os.getpid()) as peak:
        held = np.ones(64 * 2**20, dtype=np.uint8)
        time.sleep(2.2)
        del held
    assert peak.bytes - before.bytes > 50 * 2**20


def test_growth_doubles_one_number_at_a_time(tmp_path: Path) -> None:
    base = growth.Size(users=60, items=80, n=5, dims=8)
    costs = growth.measure(base, rounds=1, seed=0)
    assert [cost.size.users for cost in costs["users"]] == [60, 120, 240, 480]
    assert {cost.size.items for cost in costs["users"]} == {80}
    assert [cost.size.dims for cost in costs["dims"]] == [8, 16, 32, 64]
    rows = growth.figures(costs)
    assert len(rows) == 4 * (2 * 4 + 1)
    growth.draw(costs, tmp_path / "growth.svg")
    drawn = (tmp_path / "growth.svg").read_text()
    growth.draw(costs, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_text() == drawn
    assert drawn.count("<svg") == 1


def test_made_pairs_are_distinct_and_tell_tastes(tmp_path: Path) -> None:
    pairs = made_pairs(600, 400, 12_000, seed=5)
    assert pairs.train.nnz == 12_000
    assert pairs.test.nnz == 1_200
    assert pairs.train.max() == pairs.test.max() == 1.0
    assert pairs.train.multiply(pairs.test).nnz == 0
    pairs.write(tmp_path / "pairs.parquet")
    assert (read_pairs(tmp_path / "pairs.parquet", (600, 400)) != pairs.train).nnz == 0
    taken = np.sort(np.bincount(pairs.train.indices, minlength=400))[::-1]
    assert taken[:40].sum() > 1.8 * 1_200  # a tenth of the items has nearly twice its share
    dense = pairs.train.toarray()
    left, _, _ = np.linalg.svd(dense, full_matrices=False)
    taste = left[:, :30].astype(np.float32)
    same = np.ones((600, 1), dtype=np.float32)
    assert ndcg(pairs, taste, dense.T @ taste) > 1.3 * ndcg(pairs, same, dense.T @ same)


def test_pairs_to_choose_by_are_cut_from_those_to_train_on() -> None:
    pairs = made_pairs(200, 100, 2_000, seed=5)
    cut = without_some(pairs, seed=1)
    assert (cut.train.nnz, cut.test.nnz) == (1_800, 200)
    assert ((cut.train + cut.test) != pairs.train).nnz == 0
    assert cut.test.multiply(pairs.test).nnz == 0


def test_every_benchmark_of_the_command_exists() -> None:
    for module, *_ in RUNS.values():
        assert callable(importlib.import_module(module).main)
    assert list(commands(["growth"])) == ["growth"]
    assert list(commands([])) == list(RUNS)
