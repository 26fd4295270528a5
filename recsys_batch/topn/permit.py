"""The masks of one user, looked up only for items that matter.

CSR rows are spread over a byte an item for the moment of a look-up, boolean matrices are read as
they are.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# numba infers the types of what is compiled.

from __future__ import annotations

import numpy as np

from recsys_batch.topn.jit import compiled

EXCLUDED, ALLOWED = np.uint8(1), np.uint8(2)


@compiled
def mark(mask, user, flag, marks):
    """Set `flag` (or clear all flags, if it is zero) for the items of the user's CSR row."""
    if mask.present and mask.dense.shape[1] == 0:
        indices = mask.indices
        for entry in range(mask.indptr[user], mask.indptr[user + 1]):
            row = indices[entry]
            marks[row] = marks[row] | flag if flag else flag


@compiled
def has(mask, user, row, flag, marks):
    """Say whether the mask has an entry for the pair, once the user is marked."""
    if mask.dense.shape[1] > 0:
        return mask.dense[user, row]
    return marks[row] & flag != 0


@compiled
def _permits(exclude, allow, user, row, marks):
    if exclude.present and has(exclude, user, row, EXCLUDED, marks):
        return False
    return not allow.present or has(allow, user, row, ALLOWED, marks)


@compiled
def keep_permitted(user, first, items, exclude, allow, scratch):
    """Drop the candidates that the masks forbid, among those not looked at yet."""
    start, count = scratch.checked[user], scratch.counts[user]
    if (exclude.present or allow.present) and start < count:
        mark(exclude, first + user, EXCLUDED, scratch.marks)
        mark(allow, first + user, ALLOWED, scratch.marks)
        rows, marks = items.rows, scratch.marks
        candidates, bounds = scratch.candidates[user], scratch.bounds[user]
        excluded, allowed = exclude.dense, allow.dense
        by_matrix, only_allowed = excluded.shape[1] > 0, allow.present
        allowed_by_matrix = allowed.shape[1] > 0
        kept = start
        for i in range(start, count):
            row = rows[candidates[i]]
            flags = marks[row]
            permitted = not (excluded[first + user, row] if by_matrix else flags & EXCLUDED != 0)
            if permitted and only_allowed:
                permitted = (
                    allowed[first + user, row] if allowed_by_matrix else flags & ALLOWED != 0
                )
            candidates[kept], bounds[kept] = candidates[i], bounds[i]
            kept += permitted
        mark(exclude, first + user, np.uint8(0), scratch.marks)
        mark(allow, first + user, np.uint8(0), scratch.marks)
        scratch.counts[user] = kept
    scratch.checked[user] = scratch.counts[user]


@compiled
def take_allowed(user, first, items, allow, scratch):
    """Make a short CSR row of allowed items the candidates; return False where it is not short."""
    if not allow.present or allow.dense.shape[1] > 0:
        return False
    begin, end = allow.indptr[first + user], allow.indptr[first + user + 1]
    if end - begin > scratch.candidates.shape[1]:
        return False
    count = 0
    for entry in range(begin, end):
        row = allow.indices[entry]
        if items.positions[row] >= 0 and scratch.marks[row] == 0:  # a row may repeat an entry
            scratch.marks[row] = ALLOWED
            scratch.candidates[user, count] = items.positions[row]
            count += 1
    mark(allow, first + user, np.uint8(0), scratch.marks)
    scratch.counts[user] = count
    scratch.checked[user] = 0
    return True


@compiled
def list_ties(user, first, items, exclude, allow, scratch, out_rows, out_scores):
    """List the first permitted rows with score zero: all there is to say of a zero user."""
    mark(exclude, first + user, EXCLUDED, scratch.marks)
    mark(allow, first + user, ALLOWED, scratch.marks)
    rank = 0
    for row in range(items.positions.shape[0]):
        if rank == out_rows.shape[1]:
            break
        if items.positions[row] >= 0 and _permits(exclude, allow, first + user, row, scratch.marks):
            out_rows[first + user, rank] = row
            out_scores[first + user, rank] = 0.0
            rank += 1
    mark(exclude, first + user, np.uint8(0), scratch.marks)
    mark(allow, first + user, np.uint8(0), scratch.marks)
