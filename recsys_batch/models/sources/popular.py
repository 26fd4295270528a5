"""Popularity, trending where the log has times."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources.interface import (
    Floats,
    Positive,
    Rows,
    SourceData,
    SourceSettings,
)


class PopularSettings(SourceSettings):
    """The same items for everyone, needing no history."""

    kind: Literal["popular"] = "popular"
    half_life_days: Positive | None = Field(
        None,
        description="Days after which an interaction counts half; null takes the popularity that "
        "comes with the data, or where there is none the sum of weights.",
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Popular:  # noqa: ARG002
        """Add up the weights of each item, decayed, or take what comes with the data."""
        if self.half_life_days is None and data.popularity is not None:
            return Popular(data.popularity.astype(np.float32))
        return Popular(item_popularity(data, half_life_days=self.half_life_days))


class Popular:
    """Scores by popularity alone."""

    def __init__(self, popularity: Floats) -> None:
        self.popularity = popularity

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: the logarithm of one plus the popularity."""
        return np.tile(np.log1p(self.popularity), (len(rows), 1))


class RegionalSettings(SourceSettings):
    """What is popular in the user's region, drawn to what is popular with all."""

    kind: Literal["regional"] = "regional"
    prior: Positive = Field(
        100.0, description="Popularity that a region borrows from all, in the popularity's unit."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Regional:  # noqa: ARG002
        """Mix each region's shares with those of all (a Dirichlet prior's mean)."""
        if data.regions is None or data.regional is None or data.popularity is None:
            raise InputDataError(
                "users have no regions",
                where="source regional",
                fix="map region, or leave the source out",
            )
        overall = data.popularity / max(float(data.popularity.sum()), 1e-12)
        totals = data.regional.sum(axis=1, keepdims=True)
        shares = (data.regional + self.prior * overall) / (totals + self.prior)
        every = np.vstack([shares, overall]) * np.float32(len(overall))
        return Regional(data.regions, np.log1p(every).astype(np.float32))


class Regional:
    """Scores by popularity in the user's region; the last row is that of all."""

    def __init__(self, regions: npt.NDArray[np.int32], popularity: Floats) -> None:
        self._regions, self.popularity = regions, popularity

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: the logarithm of one plus the share over the mean's."""
        return self.popularity[self._regions[rows]]


def item_popularity(data: SourceData, *, half_life_days: float | None) -> Floats:
    """Sum of each item's weights, an interaction of age t weighing ``2 ** (-t / half life)``.

    Raises
    ------
    InputDataError
        A half-life is given and the data have no ages.
    """
    weights = data.weights.data.astype(np.float64)
    if half_life_days is not None:
        ages = data.require_ages(where=f"half_life_days {half_life_days}")
        weights *= np.exp2(-ages.astype(np.float64) / half_life_days)
    items = data.weights.shape[1]
    summed = np.bincount(data.weights.indices, weights=weights, minlength=items)
    return summed.astype(np.float32)
