"""What the rules are applied to, and what comes out: items, users, arranged lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_batch.errors import ContractError

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]

RELEVANCE, PIN, EXPLORATION, FLOOR, FILL = range(5)
WHY = ("relevance", "pin", "exploration", "floor", "fill")


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What rules may ask of items; row i is item i everywhere.

    Attributes
    ----------
    ids
        Item ids, distinct.
    recommendable
        bool: on offer as of the day, neither deleted nor blocked (`features.entities.items`).
    categories
        int32 codes into `category_names`; -1 where unknown.
    category_names
        Names of the categories.
    prices
        float64, in the source's currency; NaN where unknown.
    age_days
        float32, days since the item was first known; NaN where unknown.
    popularity
        float32, share of the most popular item's score, from 0 to 1.
    available
        bool: in stock; None where nothing is known of stock.
    tags
        A list of labels an item, or None.
    margin
        float32, what a sale earns, in any unit; NaN where unknown. None: unknown of all.
    vectors
        float32, items x dimensions, from which the likeness of two items is told by their cosine; a
        zero row is like nothing. None: items are alike if they share a category.
    """

    ids: list[str] | pa.StringArray
    recommendable: Bools
    categories: Rows
    category_names: tuple[str, ...]
    prices: npt.NDArray[np.float64]
    age_days: Floats
    popularity: Floats
    available: Bools | None = None
    tags: pa.ListArray | None = None
    margin: Floats | None = None
    vectors: Floats | None = None

    def __post_init__(self) -> None:
        size = len(self.ids)
        for name in _BY_ITEM:
            column: Any = getattr(self, name)
            if column is not None and len(column) != size:
                raise ContractError(
                    f"{len(column)} rows for {size} ids",
                    where=f"ItemFacts.{name}",
                    fix="give every column a row for each item, in the order of the ids",
                )

    def __len__(self) -> int:
        return len(self.ids)

    def names(self) -> pa.StringArray:
        """Return the ids as an Arrow array."""
        return pa.array(self.ids, pa.string()) if isinstance(self.ids, list) else self.ids


_BY_ITEM = (
    *("recommendable", "categories", "prices", "age_days", "popularity"),
    *("available", "tags", "margin", "vectors"),
)


@dataclass(frozen=True, eq=False)
class UserFacts:
    """What rules may ask of a block of users.

    Attributes
    ----------
    keys
        Pseudonymous user keys.
    regions
        Region of each, or None.
    cohorts
        Cohort of each, or None; None: unknown of all.
    age_years
        float32, NaN where unknown; None: unknown of all.
    tastes
        float32, users x categories: how a user's past interest is spread over the categories. Rows
        need not sum to one; a row of zeros says nothing. None: unknown of all.
    """

    keys: list[str]
    regions: list[str | None]
    cohorts: list[str | None] | None = None
    age_years: Floats | None = None
    tastes: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("regions", "cohorts", "age_years", "tastes"):
            column: Any = getattr(self, name)
            if column is not None and len(column) != len(self.keys):
                raise ContractError(
                    f"{len(column)} rows for {len(self.keys)} keys",
                    where=f"UserFacts.{name}",
                    fix="give every column a row for each user, in the order of the keys",
                )

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Arranged:
    """Finished lists of a block of users; all arrays but `shortfall` are users x n.

    Attributes
    ----------
    rows
        int32 item rows, best first; -1 where a list ends before n.
    places
        int32, where among the user's candidates the item stood; -1 for an item that was none.
    scores
        float32; each list is in the total order (score falling, then row rising); -inf where it
        ends.
    why
        int8, an index into `WHY`: what put the item into this slot.
    propensity
        float32, probability with which the item came into this slot: 1 where nothing was drawn by
        chance, 0 where the list ends.
    adjustments
        float32, what the rules added to the item's relevance score, which is 0 for an item that
        was no candidate: relevance + adjustment = score. 0 where the list ends.
    shortfall
        int32, users: how many items fewer than n there were.
    """

    rows: Rows
    places: Rows
    scores: Floats
    why: npt.NDArray[np.int8]
    propensity: Floats
    adjustments: Floats
    shortfall: Rows
