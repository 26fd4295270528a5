"""One side of an alternating least-squares fit: the best factors of rows, given the columns'."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.compilation import LINE
from recsys_batch.models.solver.conjugate import TOGETHER, add_rows, solve

Floats = npt.NDArray[np.float32]
Edge = tuple[int, int]
_STEPS, _TOLERANCE = 50, 1e-3  # conjugate gradients a row at most; residual against the solution
_BLOCK, _ROW = 1 << 15, 8  # interactions that a thread solves at once; as many cost what a row does
_SLICE = 1 << 13  # rows of factors that are multiplied at once
_GATHERED = 1 << 17  # floats: factors of a row that are gathered, half a core's cache
_SINGLE = np.finfo(np.float32)


@dataclass(frozen=True)
class Rows:
    """One side's interactions and what each is worth.

    Attributes
    ----------
    weights
        Rows x columns, float32.
    confidence
        Of an interaction of weight 1, against 1 of every other pair. A negative weight says that
        the pair is not liked, with its confidence.
    penalty, exponent
        L2 of a row: `penalty` times its interactions to the power of `exponent`.
    """

    weights: sparse.csr_matrix
    confidence: float
    penalty: float
    exponent: float = 0.0

    def solve(self, others: Floats, start: Floats, pool: ThreadPoolExecutor) -> None:
        """Replace `start`, factors of the rows, by the best, given those of the columns.

        They are what conjugate gradients make of `start`: to a thousandth of their length or
        better. Equal input gives equal bits, however many threads `pool` has, as blocks are cut by
        the data alone. Where numbers are beyond float32, they become NaN.
        """

        def begin(rows: Edge, basis: Floats) -> Floats:
            return np.asarray(start[slice(*rows)] @ basis)

        def end(rows: Edge, solved: Floats, back: Floats) -> None:
            np.matmul(solved, back, out=start[slice(*rows)])

        if not self._solve(others, pool, begin, end):
            start.fill(np.nan)

    def fold(self, others: Floats, pool: ThreadPoolExecutor) -> Floats:
        """The best factors of the rows, given those of the columns, from nothing.

        Those of a row depend on the row and the columns alone, to the bit, whatever other rows
        there are.
        """
        found = np.empty((self.weights.shape[0], others.shape[1]), dtype=np.float32)

        def begin(rows: Edge, basis: Floats) -> Floats:
            return np.zeros((rows[1] - rows[0], basis.shape[1]), dtype=np.float32)

        def end(rows: Edge, solved: Floats, back: Floats) -> None:
            found[slice(*rows)] = row_products(solved, back)

        if not self._solve(others, pool, begin, end):
            found.fill(np.nan)
        return found

    def _solve(
        self,
        others: Floats,
        pool: ThreadPoolExecutor,
        begin: Callable[[Edge, Floats], Floats],
        end: Callable[[Edge, Floats, Floats], None],
    ) -> bool:
        """Solve block by block; False, and nothing done, where factors are no finite numbers.

        `begin` gives a block's start in the basis of `_Shared`, `end` is given its solution.
        """
        gram = _gram(others, pool)
        if not np.isfinite(gram).all():
            return False
        shared = _Shared.of(gram, others, pool)
        back = np.ascontiguousarray(shared.basis.T)
        pointers = self.weights.indptr
        longest = int(np.diff(pointers).max(initial=0))
        free: deque[_Scratch] = deque()

        def block(rows: Edge) -> None:
            first = rows[0]
            try:
                scratch = free.pop()  # is atomic: no two threads have the same
            except IndexError:
                scratch = _Scratch.of(longest, shared.basis.shape[1])
            solved = begin(rows, shared.basis)
            solve(
                first, pointers, self.weights.indices, self.weights.data, shared.others,
                shared.diagonal, np.float32(self.penalty), np.float32(self.exponent),
                np.float32(self.confidence), solved,
                scratch.gathered, scratch.places, scratch.near, scratch.vectors, _STEPS,
                np.float32(_TOLERANCE),
            )  # fmt: skip
            end(rows, solved, back)
            free.append(scratch)

        deque(pool.map(block, _blocks(pointers)), maxlen=0)
        return True


def row_products(rows: Floats, matrix: Floats) -> Floats:
    """``rows @ matrix``, in which a row's product depends on no other row, to the bit."""
    found = np.zeros((len(rows), matrix.shape[1]), dtype=np.float32)
    add_rows(rows, matrix, found)
    return found


def solver_memory(shape: tuple[int, int], *, factors: int, threads: int) -> int:
    """Bytes that solving the sides of a matrix of this shape takes, beside what it is given."""
    rows, wide = max(shape), _padded(factors)
    block = min(rows, _BLOCK // _ROW) * (wide + factors)
    scratch = min((rows + TOGETHER) * wide, _GATHERED) + 3 * rows + block
    return 4 * (rows * wide + threads * scratch)


@dataclass(frozen=True)
class _Shared:
    """What all rows share, in the eigenbasis of the columns' Gram matrix."""

    basis: Floats
    diagonal: Floats
    others: Floats

    @classmethod
    def of(cls, gram: npt.NDArray[np.float64], others: Floats, pool: ThreadPoolExecutor) -> _Shared:
        values, vectors = np.linalg.eigh(gram)
        factors, wide = len(gram), _padded(len(gram))
        basis = np.zeros((factors, wide), dtype=np.float32)
        basis[:, :factors] = vectors
        # Where the columns have nothing, what is left of them is rounding: it must not count.
        least = max(values[-1] * _SINGLE.eps, _SINGLE.tiny)
        diagonal = np.ones(wide, dtype=np.float32)
        diagonal[:factors] = np.maximum(values, least)
        turned = np.empty((len(others), wide), dtype=np.float32)

        def turn(edge: Edge) -> None:
            np.matmul(others[slice(*edge)], basis, out=turned[slice(*edge)])

        deque(pool.map(turn, _slices(len(others))), maxlen=0)
        return cls(basis, diagonal, turned)


@dataclass(frozen=True)
class _Scratch:
    """What a thread needs to solve a row."""

    gathered: Floats
    near: Floats
    vectors: Floats
    places: npt.NDArray[np.int32] = field(repr=False)

    @classmethod
    def of(cls, longest: int, wide: int) -> _Scratch:
        held = min(longest + TOGETHER, _GATHERED // wide)
        return cls(
            np.empty((held, wide), dtype=np.float32),
            np.zeros((3, longest + TOGETHER), dtype=np.float32),
            np.zeros((5, wide), dtype=np.float32),
            np.arange(held, dtype=np.int32),
        )


def _padded(factors: int) -> int:
    """Floats a row of factors, in whole cache lines, which spares loops their rests."""
    return -(-factors // LINE) * LINE


def _gram(factors: Floats, pool: ThreadPoolExecutor) -> npt.NDArray[np.float64]:
    """``factors' factors``, added up in double precision."""

    def part(edge: Edge) -> Floats:
        rows = factors[slice(*edge)]
        return np.asarray(rows.T @ rows)

    total = np.zeros((factors.shape[1],) * 2)
    for each in pool.map(part, _slices(len(factors))):
        total += each
    return total


def _slices(rows: int) -> Iterator[Edge]:
    return pairwise(range(0, rows + _SLICE, _SLICE))


def _blocks(pointers: npt.NDArray[np.integer]) -> Iterator[Edge]:
    """First row of each block and that of the next: about as much work in each."""
    cost = pointers + np.arange(len(pointers), dtype=np.int64) * _ROW
    first, rows = 0, len(pointers) - 1
    while first < rows:
        last = int(np.searchsorted(cost, cost[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last
