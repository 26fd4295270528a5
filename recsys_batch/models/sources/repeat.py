"""What the user takes most often: the source of groceries, places and music."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys_batch.models.sources.interface import (
    Floats,
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

    def fit(self, data: SourceData, *, threads: int = 1) -> Repeat:  # noqa: ARG002
        """Decay the weights by the age of each pair's last event."""
        own = data.weights.astype(np.float32)
        if self.half_life_days is not None:
            ages = data.require_ages(where=f"repeat.half_life_days {self.half_life_days}")
            own.data *= np.exp2(-ages / np.float32(self.half_life_days))
        return Repeat(own)


class Repeat:
    """Scores the user's own items by decayed weight; all others score zero."""

    def __init__(self, own: sparse.csr_matrix) -> None:
        self._own = own

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray(self._own[rows].toarray(), dtype=np.float32)
