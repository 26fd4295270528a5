"""Which users' own rows of two runs' features are equal, to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.training import Training

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


def rows_before(before: Training, now: Training, rows: Rows) -> Rows:
    """Rows that some users, no strangers, had in earlier features; -1 where they had none."""
    keys = now.keys[rows]
    place = np.searchsorted(before.keys, keys).clip(max=len(before.keys) - 1)
    return np.where(before.keys[place] == keys, place, -1)


def same_acts(before: Training, now: Training, was: Rows, rows: Rows) -> Bools:
    """Whether the pairs of ``rows[k]`` now are those of ``was[k]`` then: weight, age and act.

    Both are of the same items.
    """
    return _same_rows(_acts(now, before), _acts(before, now), rows, was)


def same_seen(before: Training, now: Training, was: Rows, rows: Rows) -> Bools:
    """Whether ``rows[k]`` has seen now what ``was[k]`` had seen then."""
    return _same_rows(_cells(now.seen), _cells(before.seen), rows, was)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Rows of several numbers a column."""

    pointers: npt.NDArray[np.integer]
    columns: npt.NDArray[np.integer]
    values: tuple[npt.NDArray[Any], ...]

    def of(self, rows: Rows, counts: Rows) -> tuple[npt.NDArray[Any], ...]:
        """Columns and values of some rows, one row behind another."""
        first = self.pointers[rows] - np.concatenate([[0], np.cumsum(counts)[:-1]])
        cells = np.repeat(first, counts) + np.arange(counts.sum())
        return tuple(each[cells] for each in (self.columns, *self.values))


def _cells(matrix: sparse.csr_matrix) -> _Cells:
    return _Cells(matrix.indptr, matrix.indices, (matrix.data,))


def _acts(known: Training, other: Training) -> _Cells:
    """What is known of each pair: weight, age and the act, as a place among the names of both."""
    weights = known.data.weights
    assert known.data.ages is not None
    names = sorted({*known.act_names, *other.act_names})
    codes = np.array([names.index(each) for each in known.act_names], dtype=np.int8)
    return _Cells(
        weights.indptr, weights.indices, (weights.data, known.data.ages, codes[known.acts])
    )


def _same_rows(now: _Cells, before: _Cells, rows: Rows, was: Rows) -> Bools:
    """Whether rows ``rows[k]`` of the one and ``was[k]`` of the other are equal."""
    counts = now.pointers[rows + 1] - now.pointers[rows]
    same: Bools = counts == before.pointers[was + 1] - before.pointers[was]
    alike = np.flatnonzero(same)
    lengths = counts[alike].astype(np.int64)
    pairs = zip(now.of(rows[alike], lengths), before.of(was[alike], lengths), strict=True)
    differ = np.zeros(int(lengths.sum()), dtype=np.bool_)
    for one, other in pairs:
        differ |= one != other
    owners = np.repeat(np.arange(len(alike)), lengths)
    same[alike] = np.bincount(owners, weights=differ, minlength=len(alike)) == 0
    return same
