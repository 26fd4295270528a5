"""Implicit-feedback ALS on one machine, with the library `implicit`.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008: minimises
sum c_ui (p_ui - x_u . y_i)^2 + lambda (|x|^2 + |y|^2) with confidence c = 1 + alpha * weight.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.config import AlsSettings
from recsys_batch.errors import InputDataError


@dataclass(frozen=True)
class Factors:
    """Positions in the latent space.

    Attributes
    ----------
    users, items
        float32, rows x factors, in the order of the matrix that was fitted.
    """

    users: np.ndarray
    items: np.ndarray


def fit_als(
    weights: sparse.csr_matrix,
    *,
    settings: AlsSettings,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Factors:
    """Fit ALS; equal input, settings and machine give equal bits, whatever the threads.

    Parameters
    ----------
    weights
        Users x items, positive.
    threads
        Solver threads; None takes every core. BLAS runs on one thread a solver.
    progress
        Called with sweeps done and sweeps in all.

    Raises
    ------
    InputDataError
        The factors are not finite.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.recommender_base import ModelFitError

    model = AlternatingLeastSquares(
        factors=settings.factors,
        regularization=settings.regularization,
        alpha=settings.alpha,
        iterations=settings.iterations,
        random_state=settings.seed,
        num_threads=threads or os.cpu_count() or 1,
        dtype=np.float32,
    )

    def report(iteration: int, _seconds: float, _loss: float) -> None:
        if progress is not None:
            progress(iteration + 1, settings.iterations)

    with threadpool_limits(limits=1, user_api="blas"), contextlib.suppress(ModelFitError):
        model.fit(weights.astype(np.float32), show_progress=False, callback=report)
    users = np.ascontiguousarray(model.user_factors, dtype=np.float32)
    items = np.ascontiguousarray(model.item_factors, dtype=np.float32)
    # A ModelFitError says that there are NaN, which infinities do not raise: look for both.
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise InputDataError(
            "training gave factors that are not finite numbers",
            where=f"als.regularization {settings.regularization}, als.alpha {settings.alpha}",
            fix="raise the regularization or lower alpha",
        )
    return Factors(users, items)
