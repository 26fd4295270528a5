"""Implicit-feedback ALS: the fastest factors there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field
from scipy import sparse

from recsys_batch.models.als import AlsState, fit_als, fold_als
from recsys_batch.models.sources.interface import (
    FactorScores,
    Floats,
    Fold,
    Positive,
    SourceData,
    SourceSettings,
    fold_factors,
)


class AlsSettings(SourceSettings):
    """Implicit-feedback ALS (Hu, Koren, Volinsky 2008)."""

    kind: Literal["als"] = "als"
    factors: int = Field(64, ge=1, le=512, description="Dimensions of the factors.")
    regularization: float = Field(1.0, ge=0, description="L2 penalty.")
    frequency_exponent: float = Field(
        0.0,
        ge=0,
        le=1,
        description="The penalty of a row grows with its interactions to this power: 0 penalises "
        "all rows alike.",
    )
    alpha: Positive = Field(
        10.0, description="Confidence of an interaction: alpha * weight, against 1 of others."
    )
    iterations: int = Field(15, ge=1, description="Sweeps over users and items.")
    seed: int = Field(20260101, ge=0, description="Seed of the initial factors.")

    def fit(
        self,
        data: SourceData,
        *,
        threads: int = 1,
        start: AlsState | None = None,
        after_sweep: Callable[[AlsState], None] | None = None,
    ) -> FactorScores:
        """Alternate solutions of all users and of all items.

        Parameters
        ----------
        data, threads
            As in `SourceSettings.fit`.
        start, after_sweep
            As in `fit_als`.
        """
        users, items = fit_als(
            data.weights,
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            seed=self.seed,
            frequency_exponent=self.frequency_exponent,
            threads=threads,
            start=start,
            after_sweep=after_sweep,
        )
        return FactorScores(users, items)

    def refold(self, fitted: FactorScores, data: SourceData, fold: Fold) -> FactorScores:
        """Solve users, given the items' factors, and then items that had none."""

        def solve(weights: sparse.csr_matrix, others: Floats) -> Floats:
            return fold_als(
                weights,
                others,
                regularization=self.regularization,
                alpha=self.alpha,
                frequency_exponent=self.frequency_exponent,
            )

        return fold_factors(fitted.items, data.weights, fold, solve)
