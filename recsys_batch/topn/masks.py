"""What may be recommended to whom: the callers' masks, checked and brought into two plain forms.

One-dimensional masks shorten the list of items before any product; what differs by user stays a
CSR matrix or a boolean matrix and is looked up only for items that reach a user's candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_batch.errors import InputDataError

Mask: TypeAlias = "sparse.csr_matrix | sparse.csr_array | NDArray[np.bool_] | None"


class UserMask(NamedTuple):
    """A mask that differs by user: CSR structure, or a boolean matrix, or neither.

    Attributes
    ----------
    present
        False where the caller gave no such mask; the arrays are then empty.
    indptr, indices
        CSR structure, used where `dense` has no columns.
    dense
        Boolean matrix, users x items; users x 0 for a CSR mask.
    """

    present: bool
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    dense: NDArray[np.bool_]


@dataclass(frozen=True)
class Availability:
    """Which items a call may return: the same for all users, and by user."""

    rows: NDArray[np.int32]  # item rows open to anybody, ascending
    exclude: UserMask
    allow: UserMask


def availability(exclude: Mask, allow: Mask, *, users: int, items: int) -> Availability:
    """Check both masks and split them into what holds for all users and what differs by user.

    Raises
    ------
    InputDataError
        A mask is of another type or shape than users x items, or length items.
    """
    is_open = np.ones(items, dtype=np.bool_)
    by_user = {}
    for name, mask in (("exclude", exclude), ("allow", allow)):
        by_user[name] = _user_mask(mask, name, users, items)
        if isinstance(mask, np.ndarray) and mask.ndim == 1:
            is_open &= mask if name == "allow" else ~mask
    rows = np.flatnonzero(is_open).astype(np.int32)
    return Availability(rows, by_user["exclude"], by_user["allow"])


def _user_mask(mask: Mask, name: str, users: int, items: int) -> UserMask:
    indptr, indices = np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    dense = np.zeros((0, 0), dtype=np.bool_)
    if mask is None:
        return UserMask(False, indptr, indices, dense)
    if not isinstance(mask, np.ndarray):
        return _csr_mask(mask, name, users, items)
    if mask.dtype != np.bool_:
        raise _mask_error(name, f"holds {mask.dtype}, not bool", "compare it to get a boolean mask")
    if mask.ndim == 1 and mask.shape == (items,):
        return UserMask(False, indptr, indices, dense)
    if mask.shape != (users, items):
        raise _shape_error(name, mask.shape, users, items)
    return UserMask(items > 0, indptr, indices, np.ascontiguousarray(mask))


def _csr_mask(mask: object, name: str, users: int, items: int) -> UserMask:
    if not isinstance(mask, sparse.csr_array | sparse.csr_matrix):
        raise _mask_error(
            name, f"is a {type(mask).__name__}", "pass a scipy CSR matrix or a boolean array"
        )
    if mask.shape != (users, items):
        raise _shape_error(name, mask.shape, users, items)
    return UserMask(
        True,
        mask.indptr.astype(np.int64, copy=False),
        mask.indices.astype(np.int32, copy=False),
        np.zeros((0, 0), dtype=np.bool_),
    )


def _shape_error(name: str, shape: tuple[int, ...], users: int, items: int) -> InputDataError:
    return _mask_error(
        name,
        f"has shape {shape}, the factors are {users} users and {items} items",
        "pass users x items, or a boolean array of length items",
    )


def _mask_error(name: str, what: str, fix: str) -> InputDataError:
    return InputDataError(f"the mask {what}", where=f"top_n {name}", fix=fix)
