"""Exact top-N of user factors against item factors: the public entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys_batch.setup.machine import cores
from recsys_batch.topn import checks, engine
from recsys_batch.topn.jit import HAS_INT8
from recsys_batch.topn.masks import Mask, availability
from recsys_batch.topn.prepared import PreparedItems


def top_n(
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32] | PreparedItems,
    *,
    n: int,
    exclude: Mask = None,
    allow: Mask = None,
    threads: int | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return for each user the `n` items with the highest scores, exactly.

    Scores are as `recsys_batch.topn.reference.scores` defines them; lists are ordered by score
    descending, then item row ascending. The result does not depend on `threads`.

    Parameters
    ----------
    user_factors, item_factors
        Rows x dimensions, float32, of the same width. Callers that rank many blocks of users
        pass `PreparedItems`, which spares packing the items for each.
    n
        Length of the lists; may exceed the number of items.
    exclude, allow
        A scipy CSR matrix (users x items; an entry excludes or allows, whatever its value), or a
        boolean array: users x items, or of length items for all users alike. Both may be given.
    threads
        Threads to use, at most one a core; None for all cores this process may use. Inside a
        Spark task pass 1.

    Returns
    -------
    item_rows, scores
        Users x n, int32 and float32; where a user has fewer items left, -1 and -inf.

    Raises
    ------
    InputDataError
        A factor is NaN or infinite (the row is named), a score could overflow, or an argument
        has another type or shape than stated.
    ConfigError
        `n` or `threads` is not an integer of 1 or more.
    """
    n = checks.check_count(n, name="n")
    if threads is not None:
        checks.check_count(threads, name="threads")
    users = checks.check_factors(user_factors, name="user_factors")
    prepared = (
        item_factors if isinstance(item_factors, PreparedItems) else PreparedItems(item_factors)
    )
    items, dims = prepared.shape
    checks.check_dimensions(users.shape[1], dims)
    user_norms = checks.row_norms(users, name="user_factors")
    checks.check_magnitude(user_norms, prepared.norms)
    available = availability(exclude, allow, users=len(users), items=items)
    item_rows = np.full((len(users), n), -1, dtype=np.int32)
    scores = np.full((len(users), n), -np.inf, dtype=np.float32)
    engine.run(
        users,
        user_norms,
        prepared.restricted(np.intersect1d(prepared.rows, available.rows)),
        available,
        n=n,
        threads=min(threads or cores(), cores()),
        int8=HAS_INT8,
        out=(item_rows, scores),
    )
    return item_rows, scores
