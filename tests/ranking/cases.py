"""Small catalogs, and ranking written once more in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from recsys_batch.ranking.blocks import RankedBlock
from recsys_batch.ranking.catalog import Catalog


def catalog(
    ids: Sequence[str],
    *,
    vectors: Mapping[str, Sequence[float]] | None = None,
    popular: Mapping[str, float] | None = None,
    regional: Mapping[str, Mapping[str, float]] | None = None,
    blocked: Sequence[str] = (),
) -> Catalog:
    """A catalog by item id; what is not named has no factors and nobody's interest."""
    ids, vectors = sorted(ids), vectors or {}
    width = len(next(iter(vectors.values()), [0.0]))

    def shares(named: Mapping[str, float]) -> np.ndarray:
        return np.array([named.get(item, 0.0) for item in ids], dtype=np.float32)

    return Catalog(
        ids=list(ids),
        titles=[f"the {item}" for item in ids],
        allowed=np.array([item not in blocked for item in ids]),
        factors=np.array(
            [vectors.get(item, [0.0] * width) for item in ids], dtype=np.float32
        ).reshape(len(ids), width),
        modelled=np.array([item in vectors for item in ids]),
        popular=shares(popular or {}),
        regional={region: shares(named) for region, named in (regional or {}).items()},
    )


def excluded(rows: Sequence[Sequence[int]], items: int) -> sparse.csr_matrix:
    """CSR with an entry for each item row named for each user."""
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    indices = np.array([item for row in rows for item in row], dtype=np.int32)
    return sparse.csr_matrix(
        (np.ones(len(indices), dtype=np.int8), indices, indptr), shape=(len(rows), items)
    )


def named(known: Catalog, block: RankedBlock, user: int = 0) -> list[str]:
    """The ids of a user's list."""
    return [known.ids[row] for row in block.rows[user] if row >= 0]


def oracle(
    known: Catalog, *, vector: np.ndarray | None, region: str | None, taken: set[int], n: int
) -> list[tuple[int, int]]:
    """(item row, source) of a list: personal, then regional, then popular, none twice."""
    listed: list[tuple[int, int]] = []
    allowed = [row for row in range(len(known.ids)) if known.allowed[row] and row not in taken]
    if vector is not None:
        score = {row: float(np.float32(vector @ known.factors[row])) for row in allowed}
        modelled = [row for row in allowed if known.modelled[row]]
        listed += [(row, 0) for row in sorted(modelled, key=lambda row: (-score[row], row))]
    for source, shares in ((1, known.regional.get(region or "")), (2, known.popular)):
        if shares is None:
            continue
        had = {row for row, _ in listed}
        fresh = [row for row in allowed if row not in had and (source == 2 or shares[row] > 0)]
        listed += [
            (row, source) for row in sorted(fresh, key=lambda row: (-float(shares[row]), row))
        ]
    return listed[:n]
