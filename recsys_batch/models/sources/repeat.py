"""What the user takes most often: the source of groceries, places and music."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys_batch.models.sources.interface import (
    Floats,
    Fold,
    Positive,
    Rows,
    SourceData,
    SourceSettings,
)


class RepeatSettings(SourceSettings):
    """The user's own items, by how often and how lately they were taken."""

    kind: Literal["repeat"] = "repeat"
    half_life_days: Positive | None = Field(
        None, description="Days since the last event after which a pair counts half; null: never."
    )
    exponent: float = Field(
        1.0, ge=0, le=1, description="Power of a pair's weight; 0 leaves only how late it was."
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Repeat:  # noqa: ARG002
        """Decay the weights by the age of each pair's last event."""
        own = data.profile(self.half_life_days).astype(np.float32)
        own.data *= data.weights.data ** np.float32(self.exponent - 1.0)
        return Repeat(own)

    def refold(self, fitted: Repeat, data: SourceData, fold: Fold) -> Repeat:  # noqa: ARG002
        """Nothing was learnt that is not the user's own."""
        return self.fit(data)


class Repeat:
    """Scores the user's own items by decayed weight; all others score zero."""

    def __init__(self, own: sparse.csr_matrix) -> None:
        self._own = own

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray(self._own[rows].toarray(), dtype=np.float32)
