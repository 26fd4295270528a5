"""Implicit-feedback ALS on one machine, with the library `implicit`.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008: minimises
sum c_ui (p_ui - x_u . y_i)^2 + lambda (|x|^2 + |y|^2). The confidence c of an interaction is alpha
times its weight, that of all other pairs 1; the paper adds 1 to the former, whereby interactions of
long ago, which weigh little, would still count in full.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.errors import InputDataError

Floats = npt.NDArray[np.float32]


def fit_als(
    weights: sparse.csr_matrix,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Floats, Floats]:
    """Fit ALS; equal input, settings and machine give equal bits, whatever the threads.

    Parameters
    ----------
    weights
        Users x items, positive.
    factors, regularization, alpha, iterations, seed
        As in `recsys_batch.models.sources.als.AlsSettings`.
    threads
        Solver threads; None takes every core. BLAS runs on one thread a solver.
    progress
        Called with sweeps done and sweeps in all.

    Returns
    -------
    users, items
        float32, rows x factors, in the order of the matrix.

    Raises
    ------
    InputDataError
        The factors are not finite.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.recommender_base import ModelFitError

    model = AlternatingLeastSquares(
        factors=factors,
        regularization=regularization,
        alpha=alpha,
        iterations=iterations,
        random_state=seed,
        num_threads=threads or os.cpu_count() or 1,
        dtype=np.float32,
    )

    def report(iteration: int, _seconds: float, _loss: float) -> None:
        if progress is not None:
            progress(iteration + 1, iterations)

    with threadpool_limits(limits=1, user_api="blas"), contextlib.suppress(ModelFitError):
        model.fit(weights.astype(np.float32), show_progress=False, callback=report)
    users = np.ascontiguousarray(model.user_factors, dtype=np.float32)
    items = np.ascontiguousarray(model.item_factors, dtype=np.float32)
    # A ModelFitError says that there are NaN, which infinities do not raise: look for both.
    require_finite(users, items, where=f"regularization {regularization}, alpha {alpha}")
    return users, items


def require_finite(users: Floats, items: Floats, *, where: str) -> None:
    """Raise `InputDataError`, naming the settings, where factors are not finite numbers."""
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise InputDataError(
            "training gave factors that are not finite numbers",
            where=f"source als, {where}",
            fix="raise the regularization or lower alpha",
        )
