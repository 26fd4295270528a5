"""A block of users to their ranked item rows and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.ranking.catalog import Catalog, Floats, Rows
from recsys_batch.topn import top_n

PERSONAL, REGIONAL, POPULAR = 0, 1, 2
SOURCES = ("als", "popular_region", "popular")


@dataclass(frozen=True)
class RankedBlock:
    """Lists of a block of users, all users x n.

    Attributes
    ----------
    rows
        int32 item rows, best first; -1 where a list ends before n.
    scores
        float32, falling along each list; -inf where it ends.
    sources
        int8, an index into `SOURCES`.
    """

    rows: Rows
    scores: Floats
    sources: npt.NDArray[np.int8]


def rank_block(
    catalog: Catalog,
    *,
    vectors: Floats,
    known: npt.NDArray[np.bool_],
    regions: list[str | None],
    exclude: sparse.csr_matrix,
    n: int,
    threads: int | None = 1,
) -> RankedBlock:
    """Rank items for a block of users.

    First the model's items by score, for users that it knows; then what is popular in the user's
    region, then what is popular with all. A list holds n distinct allowed items that are not
    excluded, or as many as exist. Order is by score, then item id.

    Parameters
    ----------
    vectors
        float32, users x factors; the row of an unknown user is not read.
    known
        bool, users: the model knows the user.
    regions
        Region of each user, or None.
    exclude
        users x items CSR; an entry keeps the item out of the user's list.
    n
        Length of a list.
    threads
        Threads of the kernel; 1 inside a Spark task.

    Notes
    -----
    Scores of different sources are not comparable, but they fall along a list: a popular item's is
    its share of the top item's popularity, lowered below the last personal score by whole numbers.
    """
    users = len(known)
    rows = np.full((users, n), -1, dtype=np.int32)
    scores = np.full((users, n), -np.inf, dtype=np.float32)
    sources = np.zeros((users, n), dtype=np.int8)
    if known.any():
        some = np.flatnonzero(known)
        rows[some], scores[some] = top_n(
            vectors[some],
            catalog.factors,
            n=n,
            exclude=exclude[some],
            allow=catalog.allowed & catalog.modelled,
            threads=threads,
        )
    block = RankedBlock(rows, scores, sources)
    region_of = np.array([region if region in catalog.regional else "" for region in regions])
    for region in sorted(set(region_of.tolist()) - {""}):
        _fill(block, region_of == region, catalog, catalog.regional[region], REGIONAL, exclude)
    _fill(block, np.ones(users, dtype=bool), catalog, catalog.popular, POPULAR, exclude)
    return block


def _fill(
    block: RankedBlock,
    who: npt.NDArray[np.bool_],
    catalog: Catalog,
    shares: Floats,
    source: int,
    exclude: sparse.csr_matrix,
) -> None:
    """Append items by popularity to the lists of `who` that are not full.

    What is popular with all ends with the items that nobody has touched yet, by id.
    """
    n = block.rows.shape[1]
    order = np.lexsort((np.arange(len(shares)), -shares))
    usable = catalog.allowed if source == POPULAR else catalog.allowed & (shares > 0)
    order = order[usable[order]].astype(np.int32)
    for user in np.flatnonzero(who & (block.rows[:, -1] < 0)):
        length = int(np.count_nonzero(block.rows[user] >= 0))
        seen = exclude.indices[exclude.indptr[user] : exclude.indptr[user + 1]]
        taken = np.concatenate([block.rows[user, :length], seen])
        # No more than n + taken of the order can be needed.
        head = order[: n + len(taken)]
        fresh = head[~np.isin(head, taken)][: n - length]
        base = np.float32(0.0)
        if length:  # the next whole number below the last score, less the greatest share
            base = min(base, np.ceil(block.scores[user, length - 1]) - np.float32(2.0))
        lowered = shares[fresh] + base
        falling = np.lexsort((fresh, -lowered))  # shares that differ may round to one score
        stop = length + len(fresh)
        block.rows[user, length:stop] = fresh[falling]
        block.scores[user, length:stop] = lowered[falling]
        block.sources[user, length:stop] = source
