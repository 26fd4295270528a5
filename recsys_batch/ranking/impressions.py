"""Logged impressions as arrays: what was shown to whom, at which position, and acted on or not."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Impressions:
    """Items that were shown, a row each, in any order.

    Attributes
    ----------
    users, items
        int32 rows.
    days
        int32, days since 1970-01-01.
    requests
        int32: code of the request; rows of one request made one list.
    positions
        int32: the slot, from 1.
    clicked
        bool: the user acted on what was shown there.
    """

    users: Ints
    items: Ints
    days: Ints
    requests: Ints
    positions: Ints
    clicked: Bools

    def __len__(self) -> int:
        return len(self.users)

    def of(self, rows: npt.NDArray[np.bool_ | np.integer]) -> Impressions:
        """Some of the rows."""
        return Impressions(*(getattr(self, each.name)[rows] for each in fields(self)))

    def between(self, since: int, until: int) -> Impressions:
        """Those from one day to before another."""
        return self.of((self.days >= since) & (self.days < until))
