"""Popularity, trending where the log has times."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

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
        None, description="Days after which an interaction counts half; null for no decay."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Popular:  # noqa: ARG002
        """Add up the weights of each item, decayed."""
        return Popular(item_popularity(data, half_life_days=self.half_life_days))


class Popular:
    """Scores by popularity alone."""

    def __init__(self, popularity: Floats) -> None:
        self.popularity = popularity

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: the logarithm of one plus the popularity."""
        return np.tile(np.log1p(self.popularity), (len(rows), 1))


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
