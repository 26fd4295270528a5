"""Factors in fewer bits: half or a quarter of the bytes, at a loss that the evaluation measures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsys_batch.models.sources import FactorScores
from recsys_batch.models.sources.interface import Floats, Rows

Precision = Literal["float32", "float16", "int8"]
_LEVELS = 127


@dataclass(frozen=True, eq=False)
class CodedRows:
    """A matrix in fewer bits; what is taken of it is float32.

    Attributes
    ----------
    codes
        float16 or int8, rows x factors.
    scales
        float32, rows: what a step of an int8 row is worth; of float16 ones.
    """

    codes: npt.NDArray[np.float16] | npt.NDArray[np.int8]
    scales: Floats

    @classmethod
    def of(cls, rows: Floats, precision: Literal["float16", "int8"]) -> CodedRows:
        """Round each number to the nearest float16, or to a 127th of its row's greatest."""
        if precision == "float16":
            limit = np.finfo(np.float16).max
            return cls(
                np.clip(rows, -limit, limit).astype(np.float16), np.ones(len(rows), np.float32)
            )
        scales = np.abs(rows).max(axis=1, initial=0.0).astype(np.float32) / np.float32(_LEVELS)
        steps = np.divide(rows, scales[:, None], out=np.zeros_like(rows), where=scales[:, None] > 0)
        return cls(np.clip(np.rint(steps), -_LEVELS, _LEVELS).astype(np.int8), scales)

    def __getitem__(self, rows: Rows | slice) -> Floats:
        """Some of the rows, float32."""
        found = np.asarray(self.codes[rows], dtype=np.float32)
        return np.asarray(found * self.scales[rows][:, None], dtype=np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return int(self.codes.nbytes + self.scales.nbytes)


@dataclass(frozen=True, eq=False)
class CodedFactors:
    """Scores as dot products of factors that are kept in fewer bits.

    Attributes
    ----------
    users
        Taken row by row.
    coded_items
        Taken whole, once a process.
    """

    users: CodedRows
    coded_items: CodedRows

    @classmethod
    def of(cls, source: FactorScores, precision: Literal["float16", "int8"]) -> CodedFactors:
        """Round a source's factors."""
        users, items = (CodedRows.of(each, precision) for each in (source.users, source.items))
        return cls(users, items)

    @cached_property
    def items(self) -> Floats:
        """float32, items x factors."""
        return self.coded_items[:]

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray(self.users[rows] @ self.items.T, dtype=np.float32)
