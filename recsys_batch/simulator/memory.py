"""What people have bought so far: it ends wants, and brings them back."""

from __future__ import annotations

import numpy as np

from recsys_batch.simulator.settings import ShopSettings
from recsys_batch.simulator.world import Bools, Floats, Ints

_ITEMS = 1 << 32  # items a key has room for


class Memory:
    """Last purchase of each person and item; 17 bytes a distinct pair.

    Parameters
    ----------
    settings
        `repeat_interval_days` and `loyalty` rule what is wanted again.
    """

    def __init__(self, settings: ShopSettings) -> None:
        self._interval = settings.repeat_interval_days
        self._loyalty = settings.loyalty
        self._keys: Ints = np.zeros(0, dtype=np.int64)
        self._days: Floats = np.zeros(0)
        self._regular: Bools = np.zeros(0, dtype=np.bool_)

    def need(self, users: Ints, items: Ints, days: Floats) -> Floats:
        """How much of the first want is there again, 0 to 1, at `days` since the first midnight.

        1 for what was never bought; the cube of the part of the interval that has gone by for
        what was; 0 for ever in a shop without repeats.
        """
        keys = users * _ITEMS + items
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        if not len(self._keys):
            return np.ones(len(keys))
        return np.where(self._keys[at] == keys, self._want(days - self._days[at]), 1.0)

    def _want(self, elapsed: Floats) -> Floats:
        if self._interval is None:
            return np.zeros(len(elapsed))
        return np.clip(elapsed / self._interval, 0, 1) ** 3

    def regulars(self, users: Ints, days: Floats) -> tuple[Ints, Ints, Floats]:
        """Regular items of the visitors.

        Returns
        -------
        Index into `users`, item number and want (0 to 1) of each pair of visitor and item.
        """
        low = np.searchsorted(self._keys, users * _ITEMS)
        count = np.searchsorted(self._keys, (users + 1) * _ITEMS) - low
        visit = np.repeat(np.arange(len(users)), count)
        at = np.arange(len(visit)) - np.repeat(np.cumsum(count) - count, count) + low[visit]
        keep = self._regular[at]
        visit, at = visit[keep], at[keep]
        return visit, self._keys[at] % _ITEMS, self._want(days[visit] - self._days[at])

    def remember(self, users: Ints, items: Ints, days: Floats, luck: Floats) -> None:
        """Add purchases, each pair at most once; `luck` decides who becomes a regular buyer."""
        keys = users * _ITEMS + items
        order = np.argsort(keys)
        keys, days, luck = keys[order], days[order], luck[order]
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        old = self._keys[at] == keys if len(self._keys) else np.zeros(len(keys), dtype=np.bool_)
        self._days[at[old]] = days[old]
        merged = np.concatenate([self._keys, keys[~old]])
        order = np.argsort(merged, kind="stable")
        self._keys = merged[order]
        self._days = np.concatenate([self._days, days[~old]])[order]
        regular = np.concatenate([self._regular, luck[~old] < self._loyalty])
        self._regular = regular[order]
