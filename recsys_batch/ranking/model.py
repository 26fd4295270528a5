"""A recipe fitted on a run's features: what ranks items for any of its users."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np
import numpy.typing as npt

from recsys_batch.errors import LakeError
from recsys_batch.models.recipes import FACTORS, Recipe
from recsys_batch.models.sources import FactorScores, FittedSource
from recsys_batch.models.training import Training
from recsys_batch.ranking.candidates import Gatherer
from recsys_batch.ranking.validation import best_places

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]

# What reading a file that is missing, cut off, or of other code can raise.
_UNREADABLE = (OSError, ValueError, EOFError, LookupError, AttributeError, ImportError)


@dataclass(frozen=True, eq=False)
class Ranked:
    """Lists of some users, best first.

    Attributes
    ----------
    items
        int32, users x n: item rows, -1 where a list ends.
    scores
        float32, users x n: falling along each list, -inf where it ends.
    parts
        float32, sources x users x n: what each source adds to the score, 0 where a list ends.
    weighed
        bool, sources x users: whether the source orders the user's list at all.
    """

    items: Ints
    scores: Floats
    parts: Floats
    weighed: npt.NDArray[np.bool_]

    def main_source(self) -> npt.NDArray[np.intp]:
        """Of each item the weighed source that added most, users x n; of equal ones the first."""
        added = np.where(self.weighed[:, :, None], self.parts, -np.inf)
        return np.asarray(added.argmax(axis=0), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class RankingModel:
    """A fitted recipe and what it was fitted on.

    Attributes
    ----------
    recipe
        How it is made.
    trained_on
        The features.
    sources
        The recipe's sources, fitted.
    """

    recipe: Recipe
    trained_on: Training
    sources: Mapping[str, FittedSource]

    @property
    def factors(self) -> FactorScores:
        """Users and items of the source that is made of factors."""
        found = self.sources[FACTORS]
        assert isinstance(found, FactorScores)
        return found

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Users of whom there is a history."""
        return np.diff(self.trained_on.data.weights.indptr) > 0

    @cached_property
    def _gatherers(self) -> dict[int, Gatherer]:
        return {}

    def rank(self, rows: npt.NDArray[np.integer], *, n: int) -> Ranked:
        """Rank for some users: n distinct recommendable items, or as many as there are.

        Users with a history get the weighted sum of all sources' standard scores, users without
        one the order of the recipe's source for newcomers. Order is by score, then item row.
        """
        trained_on, recipe = self.trained_on, self.recipe
        if n not in self._gatherers:
            self._gatherers[n] = Gatherer(self.sources, per_source=max(n, recipe.per_source))
        found = self._gatherers[n].candidates(
            rows,
            exclude=trained_on.seen[rows] if recipe.seen == "exclude" else None,
            allow=trained_on.recommendable,
        )
        weights = self._weights(rows)
        parts = found.scores * weights[:, :, None]
        scores = np.where(found.items < 0, np.float32(-np.inf), parts.sum(axis=0))
        places = best_places(scores, n)
        best = np.take_along_axis(scores, places, axis=1)
        there = np.isfinite(best)
        items = np.where(there, np.take_along_axis(found.items, places, axis=1), -1)
        added = np.where(there, np.take_along_axis(parts, places[None], axis=2), np.float32(0.0))
        return Ranked(
            _widened(items, n, -1),
            _widened(best, n, -np.inf),
            _widened(added, n, 0.0),
            weights != 0,
        )

    def _weights(self, rows: npt.NDArray[np.integer]) -> Floats:
        """Sources x users."""
        names = list(self.sources)
        weights = np.array([self.recipe.weights[name] for name in names], dtype=np.float32)
        alone = np.array([name == self.recipe.newcomers for name in names], dtype=np.float32)
        return np.where(self.known[rows], weights[:, None], alone[:, None])

    def save(self, path: Path) -> None:
        """Write the model as one file that `load_model` maps into memory."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.building")
        joblib.dump(replace(self), aside, compress=0, protocol=5)  # without what was cached
        aside.replace(path)


def fit_model(trained_on: Training, recipe: Recipe, *, threads: int = 1) -> RankingModel:
    """Fit a recipe's sources; equal features and recipe give equal bits.

    Raises
    ------
    InputDataError
        The features lack what a source needs.
    """
    fitted = {
        name: settings.fit(trained_on.data, threads=threads)
        for name, settings in recipe.sources.items()
    }
    return RankingModel(recipe, trained_on, fitted)


def load_model(path: Path) -> RankingModel:
    """Map a model into memory; processes of one machine share its pages.

    Raises
    ------
    LakeError
        There is no such model, or other code wrote it.
    """
    try:
        found = joblib.load(path, mmap_mode="r")
    except (*_UNREADABLE, pickle.UnpicklingError) as error:
        raise LakeError(
            f"the model cannot be read ({' '.join(str(error).split())[:200]})",
            where=str(path),
            fix="run `recsys-batch train` for that day first",
        ) from error
    assert isinstance(found, RankingModel)
    return found


def _widened(values: npt.NDArray[Any], n: int, end: float) -> npt.NDArray[Any]:
    """Values with as many columns as n, filled up with `end`."""
    lacking = n - values.shape[-1]
    if lacking <= 0:
        return values
    shape = (*values.shape[:-1], lacking)
    return np.concatenate([values, np.full(shape, end, dtype=values.dtype)], axis=-1)
