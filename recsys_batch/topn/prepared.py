"""Item factors packed once, to be searched for any number of blocks of users."""

# mypy: allow-untyped-calls

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys_batch.compilation import fixed
from recsys_batch.topn import checks, pack
from recsys_batch.topn.jit import WIDTH
from recsys_batch.topn.state import Items


class PreparedItems:
    """Item factors checked and packed, for callers that rank users block by block.

    Pass it to `top_n` in place of the item factors. Packing costs as much as some thousand
    users' lists.

    Parameters
    ----------
    item_factors
        Items x dimensions, float32, finite. Must not be changed while this object is in use.

    Raises
    ------
    InputDataError
        A factor is NaN or infinite (the row is named), or the array is not float32 of two
        dimensions.
    """

    def __init__(self, item_factors: NDArray[np.float32]) -> None:
        self.factors = checks.check_factors(item_factors, name="item_factors")
        self.norms = checks.row_norms(self.factors, name="item_factors")
        self.rows = np.arange(len(self.factors), dtype=np.int32)

    @property
    def shape(self) -> tuple[int, int]:
        """Items and dimensions of the factors."""
        return self.factors.shape[0], self.factors.shape[1]

    def restricted(self, rows: NDArray[np.int32]) -> PreparedItems:
        """Return the same items with only `rows` (ascending) open to lists."""
        if np.array_equal(rows, self.rows):
            return self
        other = object.__new__(PreparedItems)
        other.factors, other.norms, other.rows = self.factors, self.norms, rows.astype(np.int32)
        return other

    @cached_property
    def int8(self) -> Items:
        """The items rounded to eight bits."""
        return self._packed(np.zeros((*self._tiles_and_steps(4), WIDTH, 4), dtype=np.uint8))

    @cached_property
    def float32(self) -> Items:
        """The items as they are."""
        return self._packed(np.zeros((*self._tiles_and_steps(1), WIDTH, 1), dtype=np.float32))

    @cached_property
    def _wide(self) -> NDArray[np.float32]:
        return widened(self.factors)

    def _tiles_and_steps(self, dims_a_step: int) -> tuple[int, int]:
        return -(-len(self.rows) // WIDTH), self._wide.shape[1] // dims_a_step

    def _packed(self, packed: NDArray[np.uint8] | NDArray[np.float32]) -> Items:
        order = self.rows[np.argsort(-self.norms[self.rows], kind="stable")].astype(np.uint32)
        positions = np.full(len(self.factors), -1, dtype=np.int32)
        positions[order] = np.arange(len(order), dtype=np.int32)
        largest = float(self.norms[order[0]]) if len(order) else 0.0
        unit = 2.0 ** math.ceil(math.log2(largest)) if largest > 0 else 1.0
        stats = np.zeros((len(packed), 3, WIDTH), dtype=np.float32)
        stats[:, 1] = -np.inf  # unused places of the last tile never pass
        is_int8 = packed.dtype == np.uint8
        pack_each = pack.pack_items_int8 if is_int8 else pack.pack_items_float32
        pack_each(self._wide, self.norms, order, unit, packed, stats)
        return Items(self._wide, packed, stats, order, positions, unit)


def widened(factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add zero dimensions up to a positive multiple of eight; what comes back is read-only."""
    rows, dims = factors.shape
    width = max(-(-dims // 8) * 8, 8)
    wide = factors
    if width > dims:
        wide = np.zeros((rows, width), dtype=np.float32)
        wide[:, :dims] = factors
    read_only: NDArray[np.float32] = fixed(wide)
    return read_only
