"""A log of acts by day, and what it says of users and items before any day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.sources import SourceData
from recsys_batch.ranking.impressions import Impressions

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Log:
    """Acts, a row a user, item, day and type of event; in any order.

    Attributes
    ----------
    users, items
        int32 rows; a user of -1 is anonymous and counts for popularity alone.
    days
        int32, days since 1970-01-01.
    weights
        float32: number of events times the weight of their type, negative where they take back.
    relevant
        bool: what a list should have held (`evaluation.relevant_types`).
    seen
        bool: makes the item one that the user has seen (`recommend.seen_types`).
    n_users
        Users there are.
    first_days
        int32: the day from which each item is known, by an event or by the catalogue.
    texts
        A text an item, or None.
    regions
        int32, users: code of the user's region, -1 where it is unknown.
    n_regions
        Regions there are.
    cohorts
        int32, users: code of the user's cohort, -1 where it is unknown.
    n_cohorts
        Cohorts there are.
    impressions
        What was shown, in the same rows of users and items; None where that was not logged.
    """

    users: Ints
    items: Ints
    days: Ints
    weights: Floats
    relevant: Bools
    seen: Bools
    n_users: int
    first_days: Ints
    texts: tuple[str, ...] | None
    regions: Ints
    n_regions: int
    cohorts: Ints
    n_cohorts: int
    impressions: Impressions | None = None

    @property
    def n_items(self) -> int:
        """Items there are."""
        return len(self.first_days)

    def history(
        self, before: int, *, half_life_days: float | None, popularity_half_life_days: float | None
    ) -> SourceData:
        """What sources learn from: decayed weights of the pairs touched before a day.

        Pairs whose net weight is not positive are left out, as the features stage does.
        """
        past = self.days < before
        known = past & (self.users >= 0)
        weights = self._decayed(known, before, half_life_days)
        pairs = self.users[known].astype(np.int64) * self.n_items + self.items[known]
        found, places = np.unique(pairs, return_inverse=True)
        keys = np.asarray(found, dtype=np.int64)
        summed = np.bincount(places, weights=weights, minlength=len(keys)).astype(np.float64)
        last = np.full(len(keys), -(2**31), dtype=np.int64)
        np.maximum.at(last, places, self.days[known])
        keep = summed > 1e-9
        matrix = self._matrix(keys[keep], summed[keep])
        popular, regional = self._popularity(past, before, popularity_half_life_days)
        return SourceData(
            matrix,
            ages=(before - last[keep]).astype(np.float32),
            texts=self.texts,
            popularity=popular,
            regions=self.regions,
            regional=regional,
            cohorts=self.cohorts,
        )

    def seen_before(self, day: int) -> sparse.csr_matrix:
        """Users x items: what each user has seen before a day."""
        return self._pairs(self.seen & (self.days < day))

    def wanted(self, since: int, until: int) -> sparse.csr_matrix:
        """Users x items: what was relevant to each user from one day to before another."""
        return self._pairs(self.relevant & (self.days >= since) & (self.days < until))

    def repeat_share(self, before: int) -> float:
        """Of what users wanted after their first day, the share that they had wanted on an earlier.

        Counted by user, item and day, over the days before `before`; 0 where there is nothing.
        """
        told = self.relevant & (self.days < before) & (self.users >= 0)
        triples = np.stack([self.users[told], self.items[told], self.days[told]])
        users, items, days = np.unique(triples, axis=1)  # by user, then item, then day
        first = np.full(self.n_users, 2**31 - 1, dtype=np.int64)
        np.minimum.at(first, users, days)
        again = np.zeros(len(users), dtype=np.bool_)
        again[1:] = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
        later = days > first[users]
        return float(again[later].mean()) if later.any() else 0.0

    def known_items(self, before: int) -> Bools:
        """Items that a list of that day could have held."""
        return self.first_days < before

    def _pairs(self, chosen: Bools) -> sparse.csr_matrix:
        chosen = chosen & (self.users >= 0)
        pairs = self.users[chosen].astype(np.int64) * self.n_items + self.items[chosen]
        keys = np.asarray(np.unique(pairs), dtype=np.int64)
        return self._matrix(keys, np.ones(len(keys), dtype=np.float64))

    def _matrix(
        self, keys: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
    ) -> sparse.csr_matrix:
        """CSR of sorted pair keys."""
        ends = np.searchsorted(keys, np.arange(self.n_users + 1, dtype=np.int64) * self.n_items)
        cells = (values.astype(np.float32), (keys % self.n_items).astype(np.int32), ends)
        return sparse.csr_matrix(cells, shape=(self.n_users, self.n_items))

    def _decayed(
        self, chosen: Bools, before: int, half_life_days: float | None
    ) -> npt.NDArray[np.float64]:
        weights = self.weights[chosen].astype(np.float64)
        if half_life_days is not None:
            weights *= np.exp2((self.days[chosen] - before) / half_life_days)
        return weights

    def _popularity(
        self, past: Bools, before: int, half_life_days: float | None
    ) -> tuple[Floats, Floats]:
        """Of all, and regions x items."""
        weights = self._decayed(past, before, half_life_days)
        items, users = self.items[past], self.users[past]
        popular = np.bincount(items, weights=weights, minlength=self.n_items)
        regions = np.full(len(users), -1, dtype=np.int64)
        regions[users >= 0] = self.regions[users[users >= 0]]
        cells = regions * self.n_items + items
        size = self.n_regions * self.n_items
        some = regions >= 0
        regional = np.bincount(cells[some], weights=weights[some], minlength=size)
        shape = (self.n_regions, self.n_items)
        return (
            np.maximum(popular, 0.0).astype(np.float32),
            np.maximum(regional, 0.0).astype(np.float32).reshape(shape),
        )
