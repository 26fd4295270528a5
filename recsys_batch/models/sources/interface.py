"""What every source of candidates takes, gives and promises.

A source's settings are a frozen pydantic model with a `fit`; what it fits gives the scores of any
users over all items. `tests/models/sources/test_contract.py` holds every source to this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys_batch.errors import ContractError, InputDataError

Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.integer]
Places: TypeAlias = npt.NDArray[np.integer]  # ascending
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


@dataclass(frozen=True, eq=False)
class Fold:
    """Where what is known already stands in later data.

    Attributes
    ----------
    places
        Column of each item that the fit knows.
    earlier
        What an earlier `refold` into the same fit made, of other data of the same items; None:
        nothing is taken over.
    rows
        Users of the later data: the row in `earlier` of each whose pairs are those of then, to
        the bit, -1 of all others.
    """

    places: Places
    earlier: FittedSource | None = None
    rows: Rows | None = None

    def users(
        self, weights: sparse.csr_matrix, solve: Callable[[sparse.csr_matrix], Floats]
    ) -> Floats:
        """Factors of all users; only those whose pairs are others than then are solved for."""
        if self.rows is None or not isinstance(self.earlier, FactorScores):
            return solve(weights)
        users = self.earlier.users[self.rows]
        changed = np.flatnonzero(self.rows < 0)
        users[changed] = solve(weights[changed])
        return users


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

    def refold(self, fitted: Any, data: SourceData, fold: Fold) -> FittedSource:
        """Give what was learnt of items to the users, and to the items, of later data.

        A user's scores depend on that user's rows of `data` and on what all share alone, to the
        bit: equal rows are scored alike, whoever else is there.

        Parameters
        ----------
        fitted
            What `fit` or `refold` of these settings made.
        data
            Later interactions; ages are counted from where they were for `fit`, so that those of
            later pairs are negative, and popularity, regions and cohorts are those of then.
        fold
            Where what is known stands in `data`.
        """
        raise NotImplementedError


def fold_factors(
    items: Floats,
    weights: sparse.csr_matrix,
    fold: Fold,
    solve: Callable[[sparse.csr_matrix, Floats], Floats],
) -> FactorScores:
    """Factors of all users, given those of known items; then of items that had none, given these.

    Parameters
    ----------
    items
        Factors of the known items, zero where there were no interactions.
    weights
        Users x items.
    fold
        Where known items, and users who are as they were, stand.
    solve
        The best factors of a matrix's rows, given those of its columns.
    """
    spread = spread_rows(items, fold.places, weights.shape[1])
    users = fold.users(weights, lambda rows: solve(rows, spread))
    untold = np.flatnonzero(~spread.any(axis=1))
    if len(untold):
        spread[untold] = solve(sparse.csr_matrix(weights[:, untold].T), users)
    return FactorScores(users, spread)


def spread_rows(rows: npt.NDArray[Any], places: Places, items: int) -> npt.NDArray[Any]:
    """Rows of known items among those of all; zeros for the others."""
    spread = np.zeros((items, *rows.shape[1:]), dtype=rows.dtype)
    spread[places] = rows
    return spread


def spread_csr(rows: sparse.csr_matrix, places: Places, items: int) -> sparse.csr_matrix:
    """The same of a sparse matrix; others have no cells."""
    counts = spread_rows(np.diff(rows.indptr), places, items)
    ends = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_matrix((rows.data, rows.indices, ends), shape=(items, rows.shape[1]))


def spread_pairs(pairs: sparse.csr_matrix, places: Places, items: int) -> sparse.csr_matrix:
    """A matrix of known items x known items among all items; others have no cells."""
    columns = places[pairs.indices].astype(np.int32)
    among = sparse.csr_matrix((pairs.data, columns, pairs.indptr), shape=(len(places), items))
    return spread_csr(among, places, items)


class ProfiledSettings(SourceSettings):
    """Base of sources that learn from all interactions and speak for the user's latest."""

    profile_half_life_days: Positive | None = Field(
        None,
        description="Days since a pair's last event after which it counts half in what stands for "
        "the user; null: as its weight says.",
    )
