"""What a shop hides can be learned from its files, and the oracle is above every learner."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys_batch.simulator import expected_affinity, shop_settings
from recsys_batch.simulator.world import build_world

from .samples import CLEAN, clean_events

CUT = datetime(2026, 1, 24)  # the first 23 days are learned from, the last 7 are asked about


def _matrix(events: pl.DataFrame, shape: tuple[int, int]) -> csr_matrix:
    weight = np.where(events["event_type"] == "purchase", 5.0, 1.0)
    return csr_matrix((weight, (events["user"].to_numpy(), events["item"].to_numpy())), shape)


def _ndcg(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    discount = 1 / np.log2(np.arange(2, 12))
    gain = (np.take_along_axis(relevant, top, axis=1) * discount).sum(axis=1)
    return gain / np.cumsum(discount)[np.minimum(relevant.sum(axis=1), 10) - 1]


@pytest.mark.parametrize("seed", [7, 20260101])
def test_als_beats_popularity_and_the_oracle_beats_als(tmp_path: Path, seed: int) -> None:
    settings = shop_settings("shop", {**CLEAN, "seed": seed})
    world = build_world(settings)
    shape = len(world.users), len(world.items)
    events = clean_events(settings, tmp_path).filter(
        pl.col("user").is_not_null() & pl.col("event_type").is_in(["view", "purchase"])
    )
    purchase, early = pl.col("event_type") == "purchase", pl.col("time") < CUT
    train = _matrix(events.filter(early), shape)
    owned = _matrix(events.filter(early & purchase), shape).toarray() > 0
    wanted = (_matrix(events.filter(~early & purchase), shape).toarray() > 0) & ~owned
    asked = np.flatnonzero(wanted.any(axis=1) & (train.getnnz(axis=1) > 0))

    model = AlternatingLeastSquares(
        factors=16, regularization=0.05, alpha=4, iterations=12, random_state=1, num_threads=1
    )
    model.fit(train, show_progress=False)
    popularity = np.tile(owned.sum(axis=0).astype(float), (len(asked), 1))
    scores = {
        "als": model.user_factors[asked] @ model.item_factors.T,
        "popularity": popularity,
        "oracle": expected_affinity(world, users=asked, items=range(shape[1]), day=26),
        "chance": np.random.default_rng(1).random((len(asked), shape[1])),
    }
    ndcg = {
        name: _ndcg(np.where(owned[asked], -np.inf, each), wanted[asked])
        for name, each in scores.items()
    }
    gain = ndcg["als"] - 1.5 * ndcg["popularity"]
    assert len(asked) > 700
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))  # 1.5 times, far outside noise
    assert ndcg["popularity"].mean() > 4 * ndcg["chance"].mean()  # a baseline worth beating
    lead = ndcg["oracle"] - ndcg["als"]
    assert lead.mean() > 5 * lead.std() / np.sqrt(len(lead))
