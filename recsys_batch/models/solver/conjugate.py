"""Rows of a weighted least-squares problem by conjugate gradients, in compiled loops.

A row's system is ``D + S' W S``: D, diagonal, is what all rows share (their Gram matrix, in its own
eigenbasis) and the penalty, S are the factors of the row's columns, W what these weigh beyond the
rest. Divided by the root of D on both sides it is the unit matrix and a part of low rank, to which
conjugate gradients converge in few steps (Hestenes and Stiefel 1952; the same gradients without
that division: Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit
feedback collaborative filtering", RecSys 2011).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.compilation import LINE, prefetch
from recsys_batch.models.solver.jit import compiled

TOGETHER = 8  # rows of S that a loop takes at once
_ALWAYS = 2  # steps that a row takes in any case, so that every sweep brings it nearer
_AHEAD = 16  # rows that are asked for before they are copied
_ZERO = np.float32(0)


@compiled
def _spread(source, columns, weights, targets, count, point, out):
    """Write ``S' (targets - W S point)`` to `out`, where S are the rows `columns` of `source`.

    Eight rows at a time, so that `point` and `out` are read and written once for eight.
    """
    dims = len(point)
    for k in range(dims):
        out[k] = _ZERO
    i = 0
    while i + TOGETHER <= count:
        s0, s1 = source[columns[i]], source[columns[i + 1]]
        s2, s3 = source[columns[i + 2]], source[columns[i + 3]]
        s4, s5 = source[columns[i + 4]], source[columns[i + 5]]
        s6, s7 = source[columns[i + 6]], source[columns[i + 7]]
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _ZERO
        for k in range(dims):
            value = point[k]
            a0 += s0[k] * value
            a1 += s1[k] * value
            a2 += s2[k] * value
            a3 += s3[k] * value
            a4 += s4[k] * value
            a5 += s5[k] * value
            a6 += s6[k] * value
            a7 += s7[k] * value
        a0 = targets[i] - weights[i] * a0
        a1 = targets[i + 1] - weights[i + 1] * a1
        a2 = targets[i + 2] - weights[i + 2] * a2
        a3 = targets[i + 3] - weights[i + 3] * a3
        a4 = targets[i + 4] - weights[i + 4] * a4
        a5 = targets[i + 5] - weights[i + 5] * a5
        a6 = targets[i + 6] - weights[i + 6] * a6
        a7 = targets[i + 7] - weights[i + 7] * a7
        for k in range(dims):
            out[k] += ((a0 * s0[k] + a1 * s1[k]) + (a2 * s2[k] + a3 * s3[k])) + (
                (a4 * s4[k] + a5 * s5[k]) + (a6 * s6[k] + a7 * s7[k])
            )
        i += TOGETHER
    while i < count:
        row = source[columns[i]]
        dot = _ZERO
        for k in range(dims):
            dot += row[k] * point[k]
        dot = targets[i] - weights[i] * dot
        for k in range(dims):
            out[k] += dot * row[k]
        i += 1


@compiled
def _dot(left, right):
    total = _ZERO
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@compiled
def _descend(source, columns, near, count, root, vectors, solution, steps, tolerance):
    """Improve `solution` by two steps and more, until its residual is `tolerance` of its length.

    That bounds the error, too, as no eigenvalue is below 1 where columns weigh more than the rest.
    ``root`` times `solution`, element by element, is the row's factors; `near` holds what columns
    weigh, what is wanted of them, and zeros.
    """
    direction, scaled, applied, residual = vectors[1], vectors[2], vectors[3], vectors[4]
    dims = len(solution)
    for k in range(dims):
        scaled[k] = solution[k] * root[k]
    _spread(source, columns, near[0], near[1], count, scaled, residual)
    for k in range(dims):
        residual[k] = residual[k] * root[k] - solution[k]
        direction[k] = residual[k]
    length = _dot(residual, residual)
    for step in range(steps):
        enough = tolerance * tolerance * _dot(solution, solution) if step >= _ALWAYS else _ZERO
        if length <= enough:
            return
        for k in range(dims):
            scaled[k] = direction[k] * root[k]
        _spread(source, columns, near[0], near[2], count, scaled, applied)
        for k in range(dims):
            applied[k] = direction[k] - applied[k] * root[k]
        far = length / _dot(direction, applied)
        for k in range(dims):
            solution[k] += far * direction[k]
            residual[k] -= far * applied[k]
        before, length = length, _dot(residual, residual)
        turn = length / before
        for k in range(dims):
            direction[k] = residual[k] + turn * direction[k]


@compiled
def _gather(source, columns, start, count, out):
    """Copy rows of `source` into `out`, and zeros behind up to whole loops.

    Those after them, which come next, are asked for: they take longer to arrive than to use.
    """
    dims = source.shape[1]
    for i in range(count):
        ahead = columns[min(start + i + _AHEAD, len(columns) - 1)] * np.int64(dims)
        for k in range(0, dims, LINE):
            prefetch(source, ahead + k)
        row, copy = source[columns[start + i]], out[i]
        for k in range(dims):
            copy[k] = row[k]
    whole = (count + TOGETHER - 1) // TOGETHER * TOGETHER
    for i in range(count, whole):
        copy = out[i]
        for k in range(len(copy)):
            copy[k] = _ZERO
    return whole


@compiled
def solve(
    first, pointers, columns, weights, others, diagonal, penalty, exponent, confidence,
    block, gathered, places, near, vectors, steps, tolerance,
):  # fmt: skip
    """Solve rows ``first, first + 1, ...``, as many as `block` has, which holds their start.

    Parameters
    ----------
    first
        The row that `block` begins with.
    pointers, columns, weights
        The CSR matrix of all rows.
    others
        Factors of the columns in the eigenbasis of their Gram matrix.
    diagonal
        The Gram matrix's eigenvalues.
    penalty, exponent
        A row with n columns has the L2 penalty ``penalty * n ** exponent``.
    confidence
        Of an interaction of weight 1, against 1 of every other pair, which `diagonal` has.
    block
        Solutions in the same basis, changed in place; zero for a row without interactions.
    gathered, places, near, vectors
        Scratch: factors of a row's columns side by side; their numbers; three rows of zeros; five
        vectors as wide as the factors. A row with more columns than `gathered` has rows is solved
        where the factors stand.
    steps, tolerance
        Of the gradients, at most; of the residual against the solution.

    """
    dims = block.shape[1]
    root = vectors[0]
    for at in range(len(block)):
        row, solution = first + at, block[at]
        start = pointers[row]
        count = pointers[row + 1] - start
        if count == 0:
            solution[:] = _ZERO
            continue
        own = penalty * np.float32(count) ** exponent
        for k in range(dims):
            shared = np.sqrt(diagonal[k] + own)
            root[k] = np.float32(1) / shared
            solution[k] *= shared
        for i in range(count):
            weight = confidence * weights[start + i]
            near[0, i] = abs(weight) - np.float32(1)
            near[1, i] = max(weight, _ZERO)
        if count + TOGETHER <= len(gathered):
            whole = _gather(others, columns, start, count, gathered)
            _descend(gathered, places, near, whole, root, vectors, solution, steps, tolerance)
        else:
            taken = columns[start : start + count]
            _descend(others, taken, near, count, root, vectors, solution, steps, tolerance)
        for k in range(dims):
            solution[k] *= root[k]


@compiled
def add_rows(rows, matrix, out):
    """Add ``rows @ matrix`` to `out`, row by row and factor by factor."""
    for row in range(len(rows)):
        total = out[row]
        for k in range(rows.shape[1]):
            value, other = rows[row, k], matrix[k]
            for column in range(len(total)):
                total[column] += value * other[column]
