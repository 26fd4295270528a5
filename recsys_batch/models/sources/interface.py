"""What every source of candidates takes, gives and promises.

A source's settings are a frozen pydantic model with a `fit`; what it fits gives the scores of any
users over all items. `tests/models/sources/test_contract.py` holds every source to this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys_batch.errors import ContractError, InputDataError

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.integer]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, eq=False)
class SourceData:
    """What sources learn from; none of it is ever written to.

    Attributes
    ----------
    weights
        float32 CSR, users x items, positive, indices sorted: the interactions.
    ages
        Days since the pair's last event, for the same pairs in the same order as
        ``weights.data``; None where the log has no times.
    texts
        A text an item (title, categories, description), or None.
    popularity
        Decayed popularity of each item, of users without a key too; None: the sum of weights.
    regions
        int32, users: row of each user's region in `regional`, -1 where it is unknown.
    regional
        Decayed popularity in each region, regions x items.
    cohorts
        int32, users: code of each user's cohort from 0 on, -1 where it is unknown.
    """

    weights: sparse.csr_matrix
    ages: Floats | None = None
    texts: tuple[str, ...] | None = None
    popularity: Floats | None = None
    regions: npt.NDArray[np.int32] | None = None
    regional: Floats | None = None
    cohorts: npt.NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        users, items = self.weights.shape
        for name, found, wanted, each in (
            ("ages", self.ages, self.weights.nnz, "interactions"),
            ("texts", self.texts, items, "items"),
            ("popularity", self.popularity, items, "items"),
            ("regions", self.regions, users, "users"),
            ("cohorts", self.cohorts, users, "users"),
        ):
            if found is not None and len(found) != wanted:
                raise ContractError(
                    f"{len(found)} {name} for {wanted} {each}",
                    where="SourceData",
                    fix="give one each, in the matrix's order",
                )

    def require_ages(self, *, where: str) -> Floats:
        """The ages; raise `InputDataError`, naming the setting that needs them, without any."""
        if self.ages is None:
            raise InputDataError(
                "interactions have no ages",
                where=where,
                fix="give the ages of the interactions, or no half-life",
            )
        return self.ages

    def profile(self, half_life_days: float | None) -> sparse.csr_matrix:
        """The users' rows as a source speaks for them: weights that halve with the pairs' ages.

        Parameters
        ----------
        half_life_days
            None gives the weights as they are.

        Raises
        ------
        InputDataError
            A half-life is given and the data have no ages.
        """
        if half_life_days is None:
            return self.weights
        ages = self.require_ages(where=f"profile_half_life_days {half_life_days}")
        rows = self.weights.astype(np.float32)
        rows.data *= np.exp2(-ages / np.float32(half_life_days))
        return rows


class FittedSource(Protocol):
    """A source that has learnt."""

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: float32, ``len(rows) x items``, higher is better.

        Scores are finite. A user without history gets the same score for every item, unless the
        source needs no history.
        """
        ...


class FactorRows(Protocol):
    """Factors by row, of which some are taken at a time."""

    def __getitem__(self, rows: Any, /) -> Floats:
        """float32, rows x factors."""
        ...


@runtime_checkable
class FactorSource(Protocol):
    """A fitted source whose scores are dot products, so that the top-N kernel can rank it."""

    @property
    def users(self) -> FactorRows:
        """Of users."""
        ...

    @property
    def items(self) -> Floats:
        """Of items, float32, items x factors."""
        ...

    def scores(self, rows: Rows) -> Floats:
        """As in `FittedSource`."""
        ...


@dataclass(frozen=True, eq=False)
class FactorScores:
    """Scores as dot products of factors.

    Attributes
    ----------
    users, items
        float32, users x factors and items x factors; a user without history has zeros.
    """

    users: Floats
    items: Floats

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray(self.users[rows] @ self.items.T, dtype=np.float32)


class SourceSettings(BaseModel):
    """Base of every source's settings: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def fit(self, data: SourceData, *, threads: int = 1) -> FittedSource:
        """Learn from `data`; equal input, settings and machine give equal bits.

        Parameters
        ----------
        threads
            Threads of BLAS; 1 is what makes bits repeat on another number of cores.

        Raises
        ------
        InputDataError
            The data lack what this source needs.
        """
        raise NotImplementedError


class ProfiledSettings(SourceSettings):
    """Base of sources that learn from all interactions and speak for the user's latest."""

    profile_half_life_days: Positive | None = Field(
        None,
        description="Days since a pair's last event after which it counts half in what stands for "
        "the user; null: as its weight says.",
    )
