"""A recipe fitted on a run's features, stored as one file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt

from recsys_batch.errors import LakeError
from recsys_batch.models.engines import FitAls
from recsys_batch.models.quantised import CodedFactors, Precision
from recsys_batch.models.recipes import FACTORS, Recipe
from recsys_batch.models.sources import (
    AlsSettings,
    FactorScores,
    FactorSource,
    FittedSource,
    SourceSettings,
)
from recsys_batch.models.sources.interface import Fold, Rows
from recsys_batch.models.training import Training, known_places
from recsys_batch.models.unchanged import rows_before, same_acts

# What reading a file that is missing, cut off, or of other code can raise.
_UNREADABLE = (OSError, ValueError, EOFError, LookupError, AttributeError, ImportError)


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
    precision
        Numbers of the factors that it is served with.
    fitted_in
        The run that fitted it; a later one that it was kept for has folded its data in.
    """

    recipe: Recipe
    trained_on: Training
    sources: Mapping[str, FittedSource]
    precision: Precision = "float32"
    fitted_in: str = ""

    @property
    def factors(self) -> FactorSource:
        """Users and items of the source that is made of factors."""
        found = self.sources[FACTORS]
        assert isinstance(found, FactorSource)
        return found

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Users of whom there is a history."""
        return np.diff(self.trained_on.data.weights.indptr) > 0

    def rounded(self) -> RankingModel:
        """The model as it is served: all factors in `precision`; float32 leaves it as it is.

        That of the part before the hold-out is kept as it was fitted: it measures what is lost.
        """
        if self.precision == "float32":
            return self
        return replace(
            self,
            sources={
                name: CodedFactors.of(source, self.precision)
                if isinstance(source, FactorScores)
                else source
                for name, source in self.sources.items()
            },
        )

    def save(self, path: Path) -> None:
        """Write the model as one file that `load_model` maps into memory."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.building")
        try:
            joblib.dump(replace(self), aside, compress=0, protocol=5)  # without what was cached
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def fit_model(
    trained_on: Training,
    recipe: Recipe,
    *,
    threads: int = 1,
    fit_als: FitAls | None = None,
    precision: Precision = "float32",
    fitted_in: str = "",
) -> RankingModel:
    """Fit a recipe's sources; equal features and recipe give equal bits.

    Parameters
    ----------
    threads
        As in `SourceSettings.fit`.
    fit_als
        What fits sources of kind `als`, such as an `AlsEngine`; None: their own `fit`.
    precision, fitted_in
        As in `RankingModel`.

    Raises
    ------
    InputDataError
        The features lack what a source needs.
    SetupError
        `fit_als` lacks what it needs.
    """

    def fit(settings: SourceSettings) -> FittedSource:
        if fit_als is not None and isinstance(settings, AlsSettings):
            return fit_als(settings, trained_on.data)
        return settings.fit(trained_on.data, threads=threads)

    fitted = {name: fit(settings) for name, settings in recipe.sources.items()}
    return RankingModel(recipe, trained_on, fitted, precision, fitted_in)


@dataclass(frozen=True, eq=False)
class Unchanged:
    """Users of later features of whom all is as in an earlier fold into the same fit.

    Attributes
    ----------
    sources
        Of the earlier fold.
    rows
        Of each user the row in it, -1 where something has changed.
    """

    sources: Mapping[str, FittedSource]
    rows: Rows


def unchanged_users(earlier: RankingModel, now: Training, *, fitted_in: str) -> Unchanged | None:
    """Whose pairs are to the bit those of an earlier fold; None: it was of another fit or items.

    Parameters
    ----------
    earlier
        The fold.
    now
        Later features, made for the fit.
    fitted_in
        The run that made the fit.
    """
    before = earlier.trained_on
    if earlier.fitted_in != fitted_in or before.ids != now.ids:
        return None
    rows = np.full(now.data.weights.shape[0], -1, dtype=np.int64)
    was = rows_before(before, now, np.arange(len(now.keys)))
    there = np.flatnonzero(was >= 0)
    same = there[same_acts(before, now, was[there], there)]
    rows[same] = was[same]
    return Unchanged(earlier.sources, rows)


def fold_model(
    fit: RankingModel, trained_on: Training, unchanged: Unchanged | None = None
) -> RankingModel:
    """Keep what a model has learnt of items, for the users and items of later features.

    What a user's lists are made of is that user's own features and what all share, to the bit;
    so it does not show which users were taken over.

    Parameters
    ----------
    fit
        The model, fitted or folded.
    trained_on
        Later features, made for it (`training`).
    unchanged
        Users whose factors are taken over; None: all are solved for.
    """
    places = known_places(fit.trained_on, trained_on.ids)

    def fold(name: str, settings: SourceSettings) -> FittedSource:
        new = Fold(places)
        if unchanged is not None:
            new = Fold(places, unchanged.sources[name], unchanged.rows)
        return settings.refold(fit.sources[name], trained_on.data, new)

    folded = {name: fold(name, settings) for name, settings in fit.recipe.sources.items()}
    return replace(fit, trained_on=trained_on, sources=folded)


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
