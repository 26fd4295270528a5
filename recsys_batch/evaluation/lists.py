"""What every metric is computed from: lists and a hold-out, taken in blocks of users.

A matrix of lists is ``users x width`` item rows in rank order, padded with -1 at the end. A
hold-out is a CSR matrix ``users x items`` in the same user order; a stored value other than zero
makes the item relevant. Neither is ever written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys_batch.errors import ContractError

PADDING = -1
BLOCK_CELLS = 1 << 20  # list cells taken at once: temporary arrays stay below about 50 MB

Lists: TypeAlias = NDArray[np.integer[Any]]
Truth: TypeAlias = "sparse.csr_matrix[Any] | sparse.csr_array[Any, tuple[int, int]]"
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive users of a matrix of lists.

    Attributes
    ----------
    rows
        The users' rows, as a slice of the whole matrix.
    items
        Item rows in rank order, users x width, padded with -1.
    hits
        Which cells hold a relevant item, same shape as `items`.
    relevant
        Number of relevant items of each user, found or not.
    """

    rows: slice
    items: Lists
    hits: Bools
    relevant: Ints


def blocks(lists: Lists, truth: Truth) -> Iterator[Block]:
    """Yield the users in blocks whose temporary arrays have a bounded size.

    Raises
    ------
    ContractError
        Shapes or types do not fit, an item row lies outside the catalogue, a list holds an item
        twice (which would count a hit twice), or padding stands before an item.
    """
    _check_shapes(lists, truth)
    step = max(1, BLOCK_CELLS // max(1, lists.shape[1]))
    for start in range(0, lists.shape[0], step):
        rows = slice(start, min(start + step, lists.shape[0]))
        items = lists[rows]
        _check_rows(items, first=start, n_items=truth.shape[1])
        hits, relevant = _match(items, truth, rows)
        yield Block(rows, items, hits, relevant)


def _match(items: Lists, truth: Truth, rows: slice) -> tuple[Bools, Ints]:
    """Look every cell up in the sorted (user, item) keys of the block's hold-out."""
    n_users, n_items = items.shape[0], truth.shape[1]
    first, last = int(truth.indptr[rows.start]), int(truth.indptr[rows.stop])
    users = np.repeat(np.arange(n_users), np.diff(truth.indptr[rows.start : rows.stop + 1]))
    pairs = users * n_items + truth.indices[first:last]
    pairs = np.unique(pairs[truth.data[first:last] != 0])
    relevant = np.bincount(pairs // max(1, n_items), minlength=n_users).astype(np.int64)
    if not pairs.size:
        return np.zeros(items.shape, dtype=np.bool_), relevant
    cells = np.arange(n_users)[:, None] * n_items + items
    place = np.minimum(np.searchsorted(pairs, cells), pairs.size - 1)
    return (pairs[place] == cells) & (items >= 0), relevant


def _check_shapes(lists: Lists, truth: Truth) -> None:
    problem = None
    if lists.ndim != 2 or not np.issubdtype(lists.dtype, np.integer):
        problem = f"lists of {lists.ndim} dimensions and type {lists.dtype}"
    elif not sparse.issparse(truth) or truth.format != "csr":
        problem = f"the hold-out is a {type(truth).__name__}, not a CSR matrix"
    elif truth.shape[0] != lists.shape[0]:
        problem = f"lists of {lists.shape[0]} users but a hold-out of {truth.shape[0]}"
    if problem:
        raise ContractError(
            problem,
            where="evaluation input",
            fix="pass integer item rows, users x width, and a CSR hold-out in the same user order",
        )


def _check_rows(items: Lists, *, first: int, n_items: int) -> None:
    ordered = np.sort(items, axis=1)
    found: tuple[tuple[str, Bools], ...] = (
        (f"an item row outside 0 to {n_items - 1}", (items >= n_items) | (items < PADDING)),
        ("the same item twice", (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)),
        ("padding before an item", (items[:, :-1] < 0) & (items[:, 1:] >= 0)),
    )
    for what, where in found:
        bad = np.flatnonzero(where.any(axis=1))
        if bad.size:
            raise ContractError(
                f"the list holds {what} ({bad.size} such lists in this block)",
                where=f"list of user row {first + int(bad[0])}",
                fix="give each user distinct item rows in rank order, then -1 up to the width",
            )
