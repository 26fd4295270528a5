"""The engine of ALS: chosen by what a fit takes here, which is what it was seen to take."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from recsys_batch.config import ModelSettings
from recsys_batch.errors import SetupError
from recsys_batch.models.als import als_memory, fit_als
from recsys_batch.models.engines import AlsEngine, choose_engine
from recsys_batch.models.sources import AlsSettings, SourceData

ALS = AlsSettings(factors=4, iterations=2)


@pytest.fixture(scope="module")
def data() -> SourceData:
    weights = sparse.random(40, 30, density=0.2, format="csr", dtype=np.float32, rng=1)
    weights.sort_indices()
    return SourceData(weights)


def engine(tmp_path, spark=None, said=None, **model) -> AlsEngine:
    settings = ModelSettings.model_validate(model)
    say = (lambda _line: None) if said is None else said.append
    return AlsEngine(settings, spark, tmp_path / "run", say=say)


def test_memory_by_hand():
    """8 bytes an interaction, 4 pointers, factors of 3 users and 3 items; those of 3 users once
    more, 16 wide, and for each of two threads 11 rows of that width gathered, 3 numbers a row and
    its factors twice.
    """
    dense = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.float32).repeat(2, axis=0)[:3]
    weights = sparse.csr_matrix(dense)
    solving = 4 * (3 * 16 + 2 * (11 * 16 + 3 * 3 + 3 * (16 + 5)))
    needed = 8 * weights.nnz + 4 * 4 + 4 * 5 * (3 + 3) + solving
    assert als_memory(weights, factors=5, threads=2) == needed
    assert als_memory(weights.astype(float), factors=5, threads=2) == needed + 4 * weights.nnz


@pytest.mark.parametrize(
    ("users", "items", "density", "factors"),
    [(20_000, 3_000, 0.007, 16), (2_000, 30_000, 0.002, 64), (3_000, 3_000, 0.16, 8)],
)
def test_a_fit_takes_no_more_than_it_was_said_to_and_not_much_less(users, items, density, factors):
    weights = sparse.random(users, items, density=density, format="csr", dtype=np.float32, rng=1)
    few = sparse.identity(2, dtype=np.float32, format="csr")
    fit_als(few, factors=1, regularization=1.0, alpha=2.0, iterations=1, seed=1)  # compiles
    tracemalloc.start()
    try:
        fit_als(
            weights,
            factors=factors,
            regularization=1.0,
            alpha=2.0,
            iterations=1,
            seed=1,
            threads=1,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    need = als_memory(weights, factors=factors, threads=1)
    assert 0.75 * need < peak < 1.02 * need


@pytest.mark.parametrize(
    ("wanted", "limit", "chosen"),
    [
        ("auto", 100, "local"),
        ("auto", 99, "mllib"),
        ("auto", None, "local"),
        ("local", 100, "local"),
        ("local", None, "local"),
        ("mllib", 10**12, "mllib"),
        ("mllib", 0, "mllib"),
    ],
)
def test_the_engine_that_fits_is_chosen(wanted, limit, chosen):
    assert choose_engine(wanted, need=100, limit=limit) == chosen


def test_local_is_refused_where_it_does_not_fit(data, tmp_path):
    text = (
        r"model.engine local: als on this machine: 1 MiB of memory are needed, 0 MiB available; "
        r"set it to auto or mllib and name a cluster .*, or give it more memory \(model.memory\)\."
    )
    with pytest.raises(SetupError, match=text):
        engine(tmp_path, engine="local", memory="1k")(ALS, data)


def test_what_is_no_amount_of_memory_is_refused_by_its_own_name(data, tmp_path):
    with pytest.raises(SetupError, match=r"model.memory: 'much' is not an amount of memory"):
        engine(tmp_path, memory="much")(ALS, data)
    with pytest.raises(ValidationError, match="engine"):
        ModelSettings.model_validate({"engine": "spark"})


def test_auto_is_local_to_the_bit_where_it_fits_and_says_and_writes_nothing(data, tmp_path):
    said: list[str] = []
    told: list[tuple[int, int]] = []
    fit = replace(engine(tmp_path, said=said), progress=lambda *sweeps: told.append(sweeps))
    found, wanted = fit(ALS, data), ALS.fit(data)
    assert found.users.tobytes() == wanted.users.tobytes()
    assert found.items.tobytes() == wanted.items.tobytes()
    assert said == []
    assert told == [(1, 2), (2, 2)]
    assert list(tmp_path.iterdir()) == []  # as it took no time that is worth keeping


@pytest.mark.spark
def test_auto_is_mllib_where_it_does_not_fit_and_says_so(data, tmp_path, spark):
    said: list[str] = []
    found = engine(tmp_path, spark, said, memory="1k")(ALS, data)
    assert said == ["als: 1 MiB of memory are needed, 0 MiB available: fitted by Spark MLlib"]
    assert (found.users.shape, found.items.shape) == ((40, 4), (30, 4))
    assert (found.scores(np.arange(40)) != ALS.fit(data).scores(np.arange(40))).any()
    (kept,) = (tmp_path / "run").iterdir()
    assert kept.suffix == ".npz"
    again = engine(tmp_path, None, said, memory="1k")(ALS, data)  # without a session
    assert said[-1] == "als: fitted before this stage was stopped"
    assert again.users.tobytes() == found.users.tobytes()
    assert again.items.tobytes() == found.items.tobytes()


@pytest.mark.spark
def test_what_was_kept_is_of_these_settings_and_interactions_alone(data, tmp_path, spark):
    fit = engine(tmp_path, spark, engine="mllib")
    heavier = SourceData(data.weights * np.float32(2))
    for als, learnt in ((ALS, data), (ALS, heavier), (AlsSettings(factors=3, iterations=2), data)):
        fit(als, learnt)
    assert len(list((tmp_path / "run").iterdir())) == 3
