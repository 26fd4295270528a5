"""Implicit-feedback ALS on one machine.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008: minimises
sum c_ui (p_ui - x_u . y_i)^2 + lambda (sum n_u^nu |x_u|^2 + sum n_i^nu |y_i|^2), where n counts a
row's interactions and nu is 0 in the paper, 1 with Zhou et al., "Large-scale Parallel Collaborative
Filtering for the Netflix Prize", AAIM 2008, and Spark MLlib. The confidence c of an interaction is
alpha times its weight, that of all other pairs 1; the paper adds 1 to the former, whereby
interactions of long ago, which weigh little, would still count in full.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_batch.errors import InputDataError
from recsys_batch.models.solver import Rows, solver_memory
from recsys_batch.setup.machine import cores

Floats = npt.NDArray[np.float32]
_INITIAL = np.float32(0.01)  # largest of the initial factors


@dataclass(frozen=True, eq=False)
class AlsState:
    """A fit between two sweeps: all that the next one depends on.

    Attributes
    ----------
    sweeps
        Those done.
    users, items
        float32, rows x factors, in the order of the matrix.
    """

    sweeps: int
    users: Floats
    items: Floats


def fit_als(
    weights: sparse.csr_matrix,
    *,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    seed: int,
    frequency_exponent: float = 0.0,
    threads: int | None = None,
    start: Floats | AlsState | None = None,
    after_sweep: Callable[[AlsState], None] | None = None,
) -> tuple[Floats, Floats]:
    """Fit ALS; equal input, settings and machine give equal bits, whatever the threads.

    Parameters
    ----------
    weights
        Users x items, positive; a negative weight says that the pair is not liked.
    factors, regularization, alpha, iterations, seed, frequency_exponent
        As in `recsys_batch.models.sources.als.AlsSettings`.
    threads
        Solver threads; None takes every core. BLAS runs on one thread a solver.
    start
        Item factors to begin with, items x factors, such as those of the day before: fewer sweeps
        do. Or the state of a fit that was stopped: it goes on behind its sweeps, to the bits that
        it would have come to; its factors are written to. None draws items by `seed`.
    after_sweep
        Called with the state after each sweep; the next one writes to its factors.

    Returns
    -------
    users, items
        float32, rows x factors, in the order of the matrix; zeros without interactions.

    Raises
    ------
    InputDataError
        The factors are not finite, or `start` has another shape.
    """
    shape = weights.shape
    begun = _begin(start, shape, factors=factors, seed=seed)
    users, items = begun.users, begun.items
    values = weights.data.astype(np.float32, copy=False)
    by_user = sparse.csr_matrix((values, weights.indices, weights.indptr), shape, copy=False)
    by_item = by_user.T.tocsr()
    of_users, of_items = (
        Rows(each, alpha, regularization, frequency_exponent) for each in (by_user, by_item)
    )
    where = f"regularization {regularization}, alpha {alpha}"
    with (
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(threads or cores()) as pool,
    ):
        for sweep in range(begun.sweeps, iterations):
            of_users.solve(items, users, pool)
            of_items.solve(users, items, pool)
            require_finite(users, items, where=where)
            if after_sweep is not None:
                after_sweep(AlsState(sweep + 1, users, items))
    return users, items


def fold_als(
    weights: sparse.csr_matrix,
    others: Floats,
    *,
    regularization: float,
    alpha: float,
    frequency_exponent: float = 0.0,
    threads: int | None = None,
) -> Floats:
    """The best factors of rows, given those of the columns, which stay as they are.

    Those of a row depend on its own cells and on `others` alone, to the bit.

    Parameters
    ----------
    weights
        Rows x columns, positive.
    others
        Columns x factors.
    regularization, alpha, frequency_exponent, threads
        As in `fit_als`.

    Raises
    ------
    InputDataError
        The factors are not finite.
    """
    rows = Rows(weights.astype(np.float32), alpha, regularization, frequency_exponent)
    with (
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(threads or cores()) as pool,
    ):
        found = rows.fold(others, pool)
    require_finite(found, others, where=f"regularization {regularization}, alpha {alpha}")
    return found


def als_memory(weights: sparse.csr_matrix, *, factors: int, threads: int | None = None) -> int:
    """Bytes that `fit_als` takes at most beside the matrix that it is given.

    The interactions by item, their weights once more where they are no float32; the factors; and
    what solving takes: those of the larger side once more, and some for each thread.
    """
    again = 0 if weights.dtype == np.float32 else 4
    pointers = weights.indptr.itemsize * (weights.shape[1] + 1)
    interactions = (4 + weights.indices.itemsize + again) * weights.nnz
    solving = solver_memory(weights.shape, factors=factors, threads=threads or cores())
    return int(interactions + pointers + 4 * factors * sum(weights.shape) + solving)


def require_finite(users: Floats, items: Floats, *, where: str) -> None:
    """Raise `InputDataError`, naming the settings, where factors are not finite numbers."""
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise InputDataError(
            "training gave factors that are not finite numbers",
            where=f"source als, {where}",
            fix="raise the regularization or lower alpha",
        )


def _begin(
    start: Floats | AlsState | None, shape: tuple[int, int], *, factors: int, seed: int
) -> AlsState:
    """The state before the first sweep; that of a stopped fit is not copied, however large."""
    of_users, of_items = ((rows, factors) for rows in shape)
    if isinstance(start, AlsState):
        users, items = _shaped(start.users, of_users), _shaped(start.items, of_items)
        kept = (np.require(each, np.float32, ["C", "W"]) for each in (users, items))
        return AlsState(start.sweeps, *kept)
    users = np.zeros(of_users, dtype=np.float32)
    if start is None:
        return AlsState(0, users, _initial(of_items, seed=seed))
    return AlsState(0, users, np.array(_shaped(start, of_items), dtype=np.float32, order="C"))


def _initial(shape: tuple[int, int], *, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).random(shape, dtype=np.float32)
    drawn *= _INITIAL
    return drawn


def _shaped(start: Floats, shape: tuple[int, int]) -> Floats:
    if start.shape != shape:
        raise InputDataError(
            f"factors of shape {start.shape} where {shape} are needed",
            where="fit_als start",
            fix="give one row each, in the order of the matrix, as wide as what is fitted",
        )
    return start
