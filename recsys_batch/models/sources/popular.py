"""Popularity with all, in the user's region and with the user's cohort; trending, with times."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources.interface import (
    Floats,
    Fold,
    Places,
    Positive,
    Rows,
    SourceData,
    SourceSettings,
    spread_rows,
)


class PopularSettings(SourceSettings):
    """The same items for everyone, needing no history."""

    kind: Literal["popular"] = "popular"
    half_life_days: Positive | None = Field(
        None,
        description="Days after which an interaction counts half; null takes the popularity that "
        "comes with the data, or where there is none the sum of weights.",
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> Popular:  # noqa: ARG002
        """Add up the weights of each item, decayed, or take what comes with the data."""
        if self.half_life_days is None and data.popularity is not None:
            return Popular(data.popularity.astype(np.float32))
        return Popular(item_popularity(data, half_life_days=self.half_life_days))

    def refold(self, fitted: Popular, data: SourceData, fold: Fold) -> Popular:
        """Keep the popularity; of an item that is new nothing is known."""
        return Popular(spread_rows(fitted.popularity, fold.places, data.weights.shape[1]))


class Popular:
    """Scores by popularity alone."""

    def __init__(self, popularity: Floats) -> None:
        self.popularity = popularity

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: the logarithm of one plus the popularity."""
        return np.tile(np.log1p(self.popularity), (len(rows), 1))


class SegmentSettings(SourceSettings):
    """Base of sources that score by what is popular in the user's segment, drawn to that of all.

    The mean of a Dirichlet prior: a segment of which little is known is like all.
    """

    prior: Positive = Field(
        100.0, description="Popularity that a segment borrows from all, in the popularity's unit."
    )

    def mixed(self, segments: Floats, overall: Floats) -> Floats:
        """Shares of the items in each segment.

        Parameters
        ----------
        segments
            Popularity, segments x items.
        overall
            The items' shares with all, adding up to one.
        """
        totals = segments.sum(axis=1, keepdims=True)
        return np.asarray((segments + self.prior * overall) / (totals + self.prior))


class RegionalSettings(SegmentSettings):
    """What is popular in the user's region."""

    kind: Literal["regional"] = "regional"

    def fit(self, data: SourceData, *, threads: int = 1) -> SegmentPopularity:  # noqa: ARG002
        """Mix each region's shares with those of all."""
        if data.regions is None or data.regional is None or data.popularity is None:
            raise InputDataError(
                "users have no regions",
                where="source regional",
                fix="map region, or leave the source out",
            )
        overall = _shares(data.popularity)
        return SegmentPopularity(
            data.regions, _over_mean(self.mixed(data.regional, overall), overall)
        )

    def refold(self, fitted: SegmentPopularity, data: SourceData, fold: Fold) -> SegmentPopularity:
        """Keep the popularity; users may have come to another region."""
        assert data.regions is not None
        return fitted.among(data.regions, fold.places, data.weights.shape[1])


class CohortSettings(SegmentSettings):
    """What is popular with the user's cohort; where that is unknown, in the user's region."""

    kind: Literal["cohort"] = "cohort"
    half_life_days: Positive | None = Field(
        None,
        description="Days since a pair's last event after which it counts half; null: as its "
        "weight says.",
    )

    def fit(self, data: SourceData, *, threads: int = 1) -> SegmentPopularity:  # noqa: ARG002
        """Add up the weights of each cohort's members, and mix their shares with those of all."""
        if data.cohorts is None:
            raise InputDataError(
                "users have no cohorts",
                where="source cohort",
                fix="map cohort in the profiles, or leave the source out",
            )
        popular = data.popularity
        if popular is None:
            popular = item_popularity(data, half_life_days=None)
        overall = _shares(popular)
        parts = [self.mixed(_of_members(data, self.half_life_days), overall)]
        codes = _or_region(data, len(parts[0]))
        if data.regions is not None and data.regional is not None:
            parts.append(self.mixed(data.regional, overall))
        return SegmentPopularity(codes, _over_mean(*parts, overall))

    def refold(self, fitted: SegmentPopularity, data: SourceData, fold: Fold) -> SegmentPopularity:
        """Keep the popularity; users may have come to another cohort or region."""
        regions = 0 if data.regional is None else len(data.regional)
        codes = _or_region(data, len(fitted.popularity) - regions - 1)
        return fitted.among(codes, fold.places, data.weights.shape[1])


class SegmentPopularity:
    """Scores by popularity in the user's segment.

    Parameters
    ----------
    codes
        int32, users: row of each user's segment, -1 for the last.
    popularity
        Scores of the items, segments x items; in the last row those with all.
    """

    def __init__(self, codes: npt.NDArray[np.int32], popularity: Floats) -> None:
        self._codes, self.popularity = codes, popularity

    def among(self, codes: npt.NDArray[np.int32], places: Places, items: int) -> SegmentPopularity:
        """The same popularity for other users and among more items."""
        spread = spread_rows(self.popularity.T, places, items)
        return SegmentPopularity(codes, np.ascontiguousarray(spread.T))

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users: the logarithm of one plus the share over the mean's."""
        return self.popularity[self._codes[rows]]


def item_popularity(data: SourceData, *, half_life_days: float | None) -> Floats:
    """Sum of each item's weights, an interaction of age t weighing ``2 ** (-t / half life)``.

    Raises
    ------
    InputDataError
        A half-life is given and the data have no ages.
    """
    weights, items = _decayed(data, half_life_days), data.weights.shape[1]
    summed = np.bincount(data.weights.indices, weights=weights, minlength=items)
    return summed.astype(np.float32)


def _over_mean(*parts: Floats) -> Floats:
    """Logarithm of one plus the share over the mean's, of shares of items by segment."""
    shares = np.vstack(parts)
    return np.asarray(np.log1p(shares * np.float32(shares.shape[1])), dtype=np.float32)


def _or_region(data: SourceData, cohorts: int) -> npt.NDArray[np.int32]:
    """Row of each user's cohort among as many, behind which regions stand; -1 without either."""
    assert data.cohorts is not None
    if data.regions is None or data.regional is None:
        return data.cohorts
    elsewhere = np.where(data.regions < 0, -1, data.regions + cohorts).astype(np.int32)
    return np.where(data.cohorts < 0, elsewhere, data.cohorts)


def _of_members(data: SourceData, half_life_days: float | None) -> Floats:
    """The same sums over the members of each cohort: cohorts x items."""
    assert data.cohorts is not None
    shape = (int(data.cohorts.max(initial=-1)) + 1, data.weights.shape[1])
    cohorts = np.repeat(data.cohorts.astype(np.int64), np.diff(data.weights.indptr))
    some = cohorts >= 0
    cells = cohorts[some] * shape[1] + data.weights.indices[some]
    weights = _decayed(data, half_life_days)[some]
    summed = np.bincount(cells, weights=weights, minlength=shape[0] * shape[1])
    return summed.astype(np.float32).reshape(shape)


def _decayed(data: SourceData, half_life_days: float | None) -> npt.NDArray[np.float64]:
    weights = data.weights.data.astype(np.float64)
    if half_life_days is not None:
        ages = data.require_ages(where=f"half_life_days {half_life_days}")
        weights *= np.exp2(-ages.astype(np.float64) / half_life_days)
    return weights


def _shares(popularity: Floats) -> Floats:
    return np.asarray(popularity / max(float(popularity.sum()), 1e-12))
