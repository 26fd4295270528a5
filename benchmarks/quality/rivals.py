"""What the lists are held against: `implicit`'s ALS tuned on days before, and each source alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import product

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.quality.lakes import Day, Say
from recsys_batch.models.recipes import FACTORS, POPULAR
from recsys_batch.models.sources import AlsSettings, FactorScores, PopularSettings, SourceData
from recsys_batch.ranking.model import RankingModel
from recsys_batch.tuning.cuts import horizon_days, temporal_cuts
from recsys_batch.tuning.spaces import spaces
from recsys_batch.tuning.trials import Trials

COUNTED = "counted"
HALF_LIVES = (None, 60.0, 20.0, 7.0)


class ImplicitSettings(AlsSettings):
    """ALS as the library `implicit` fits it."""

    def fit(self, data: SourceData, *, threads: int = 1) -> FactorScores:
        """Fit; a row without interactions has no factors but for a trace of its random start."""
        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            random_state=self.seed,
            num_threads=threads,
            dtype=np.float32,
        )
        weights = data.weights.astype(np.float32)
        with threadpool_limits(limits=1, user_api="blas"):
            model.fit(weights, show_progress=False)
        users, items = (np.array(each) for each in (model.user_factors, model.item_factors))
        users[np.diff(weights.indptr) == 0] = 0.0
        items[np.bincount(weights.indices, minlength=len(items)) == 0] = 0.0
        return FactorScores(users, items)


FIRST = ImplicitSettings(factors=32, regularization=10.0, alpha=10.0, iterations=15)
GRID = [
    ImplicitSettings(factors=factors, regularization=penalty, alpha=alpha, iterations=15)
    for factors, penalty, alpha in product(
        (16, 32, 64, 128), (0.1, 1.0, 10.0, 100.0), (1.0, 10.0, 40.0)
    )
]
_JUDGES = 800  # validation users
_SEED = 1


def tuned_als(day: Day, *, say: Say) -> RankingModel:
    """ALS by itself: half-life, repeats and settings that were best on the days before.

    Users whom it does not know get what is popular.
    """
    until = (day.cutoff - dt.date(1970, 1, 1)).days
    span = until - int(day.log.days.min())
    days = horizon_days(day.log, until=until, days=min(day.horizon_days, span // 2))
    cuts = temporal_cuts(day.log, until=until, days=days, users=_JUDGES, seed=_SEED)
    trials = Trials(k=day.k, journal=None)
    halves = [each for each in HALF_LIVES if each is None or each < span]
    tried = {each: trials.values(FIRST, (each, None), cuts) for each in halves}
    half_life = max(halves, key=lambda each: max(tried[each]))
    found = {each: trials.values(each, (half_life, None), cuts) for each in GRID}
    best = max(GRID, key=lambda each: max(found[each]))
    allowed, excluded = found[best]
    say(
        f"implicit ALS: factors {best.factors}, regularization {best.regularization:g}, alpha "
        f"{best.alpha:g}, half-life {half_life}, NDCG@{day.k} on validation {allowed:.4f} with "
        f"repeats, {excluded:.4f} without, {len(trials.made)} trials"
    )
    seen = "allow" if allowed > excluded else "exclude"
    return _alone(day, best, half_life=half_life, seen=seen)


def _alone(day: Day, settings: AlsSettings, *, half_life: float | None, seen: str) -> RankingModel:
    model = day.model
    trained_on, popular = model.trained_on, model.sources[POPULAR]
    weights = _in_training(day, half_life)
    data = replace(trained_on.data, weights=weights, ages=np.zeros(weights.nnz, np.float32))
    recipe = model.recipe.model_copy(
        update={
            "seen": seen,
            "sources": {FACTORS: settings, POPULAR: model.recipe.sources[POPULAR]},
            "weights": {FACTORS: 1.0, POPULAR: 0.0},
            "newcomers": POPULAR,
            "trees": None,
        }
    )
    fitted = {FACTORS: settings.fit(data), POPULAR: popular}
    return RankingModel(recipe, replace(trained_on, data=data), fitted)


def _in_training(day: Day, half_life: float | None) -> sparse.csr_matrix:
    """The log's weights by rows and columns of the training."""
    before = (day.cutoff - dt.date(1970, 1, 1)).days
    found = day.log.history(before, half_life_days=half_life, popularity_half_life_days=None)
    cells = found.weights.tocoo()
    keys, ids = day.model.trained_on.keys, np.array(day.model.trained_on.ids)
    own = np.array(day.log_keys, dtype=keys.dtype)
    rows = np.searchsorted(keys, own)
    rows_there = keys[np.minimum(rows, len(keys) - 1)] == own
    columns = np.searchsorted(ids, np.array(day.log_ids))
    kept = rows_there[cells.row]
    made = sparse.csr_matrix(
        (cells.data[kept], (rows[cells.row[kept]], columns[cells.col[kept]])),
        shape=day.model.trained_on.data.weights.shape,
        dtype=np.float32,
    )
    made.sort_indices()
    return made


def with_all_sources(day: Day) -> RankingModel:
    """The day's model with every source that its log can feed.

    What the recipe left out is fitted with the settings that its search begins with; and there is
    plain popularity, the number of each item's users.
    """
    model, data = day.model, day.model.trained_on.data
    left_out = {
        name: space.start
        for name, space in spaces(day.log).items()
        if name not in model.recipe.sources
    }
    recipe = model.recipe.model_copy(
        update={
            "sources": model.recipe.sources | left_out | {COUNTED: PopularSettings()},
            "weights": model.recipe.weights | dict.fromkeys([*left_out, COUNTED], 0.0),
        }
    )
    fitted = {name: each.fit(data) for name, each in left_out.items()}
    plain = _in_training(day, None)
    counts = np.bincount(plain.indices, minlength=plain.shape[1]).astype(np.float32)
    counted = {COUNTED: PopularSettings().fit(SourceData(plain, popularity=counts))}
    return RankingModel(recipe, model.trained_on, {**model.sources, **fitted, **counted})
