"""What a call must satisfy first: types, shapes, finite factors, safe magnitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_batch.errors import ConfigError, InputDataError

LARGEST_SCORE = 1e37  # a norm product above this could overflow float32 on the way


def check_factors(factors: NDArray[np.float32], *, name: str) -> NDArray[np.float32]:
    """Return `factors` as a C-contiguous float32 matrix; refuse other types and shapes.

    Raises
    ------
    InputDataError
        Not a two-dimensional float32 array.
    """
    if not isinstance(factors, np.ndarray) or factors.dtype != np.float32:
        found = factors.dtype if isinstance(factors, np.ndarray) else type(factors).__name__
        raise InputDataError(
            f"the factors are {found}, not a float32 array",
            where=f"top_n {name}",
            fix="pass a NumPy array converted with astype(np.float32)",
        )
    if factors.ndim != 2:
        raise InputDataError(
            f"the factors have shape {factors.shape}",
            where=f"top_n {name}",
            fix="pass a matrix of rows x dimensions",
        )
    return np.ascontiguousarray(factors)


def check_dimensions(user_dims: int, item_dims: int) -> None:
    """Refuse factors of different width."""
    if user_dims != item_dims:
        raise InputDataError(
            f"users have {user_dims} dimensions, items {item_dims}",
            where="top_n item_factors",
            fix="pass both factor matrices of one model",
        )


def check_count(value: int, *, name: str) -> int:
    """Return `value` if it is an integer of 1 or more; raise `ConfigError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ConfigError(f"{name} is {value!r}", where="top_n", fix="pass an integer of 1 or more")
    return int(value)


def row_norms(factors: NDArray[np.float32], *, name: str) -> NDArray[np.float64]:
    """Return the Euclidean norm of every row, refusing rows that are not finite.

    Raises
    ------
    InputDataError
        A row holds NaN or infinity; the first such row is named.
    """
    norms: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", factors, factors, dtype=np.float64))
    bad = np.flatnonzero(~np.isfinite(norms))
    if len(bad):
        raise InputDataError(
            f"row {bad[0]} holds NaN or infinity ({len(bad)} such rows)",
            where=f"top_n {name}",
            fix="leave these rows out, or train again with stronger regularisation",
        )
    return norms


def check_magnitude(user_norms: NDArray[np.float64], item_norms: NDArray[np.float64]) -> None:
    """Refuse factors whose scores could overflow float32, naming the largest rows."""
    if not len(user_norms) or not len(item_norms):
        return
    user, item = int(user_norms.argmax()), int(item_norms.argmax())
    if user_norms[user] * item_norms[item] > LARGEST_SCORE:
        raise InputDataError(
            f"user row {user} (norm {user_norms[user]:.3g}) times item row {item} "
            f"(norm {item_norms[item]:.3g}) may overflow a float32 score",
            where="top_n",
            fix="scale the factors down",
        )
