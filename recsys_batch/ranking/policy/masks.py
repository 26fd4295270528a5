"""Groups, limits and scopes as masks over items; what they name in vain is told."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch.ranking.policy.base import Group, Limit
from recsys_batch.ranking.policy.facts import Bools, ItemFacts
from recsys_batch.ranking.policy.settings import Scope


class Resolver:
    """Turns what rules say into masks over the items of a run.

    Attributes
    ----------
    warnings
        Sentences on ids, categories and tags that rules name and no item has.
    """

    def __init__(self, items: ItemFacts) -> None:
        self._items = items
        self._ids = items.names()
        self.warnings: list[str] = []

    def group(self, group: Group, *, key: str) -> Bools:
        """Which items belong to a group; `key` says in warnings where the rule stands."""
        if group.is_empty():
            return np.zeros(len(self._items), dtype=np.bool_)
        named = bool(group.items or group.categories or group.tags)
        mask = np.full(len(self._items), not named)
        if group.items:
            mask[self.rows(group.items, key=f"{key}.items")] = True
        if group.categories:
            codes = self._codes(group.categories, key=f"{key}.categories")
            mask |= np.isin(self._items.categories, codes)
        if group.tags:
            mask |= self._tagged(group.tags, key=f"{key}.tags")
        if group.newer_than_days is not None:
            mask &= self._items.age_days < group.newer_than_days
        if group.less_popular_than is not None:
            mask &= self._items.popularity < group.less_popular_than
        if group.dearer_than is not None:
            mask &= self._items.prices > group.dearer_than
        return mask

    def rows(self, ids: Iterable[str], *, key: str) -> npt.NDArray[np.int64]:
        """Rows of some ids, those left out that no item has."""
        wanted = pa.array(list(ids), pa.string())
        found = pc.index_in(wanted, value_set=self._ids)
        self._miss("item", wanted.filter(pc.is_null(found)).to_pylist(), key)
        rows: npt.NDArray[np.int64] = found.drop_null().to_numpy().astype(np.int64)
        return rows

    def scope(self, scope: Scope, *, key: str) -> Bools:
        """Which items a scope lets through."""
        mask = ~self.group(scope.block, key=f"{key}.block")
        if scope.allow is not None:
            mask &= self.group(scope.allow, key=f"{key}.allow")
        if scope.price is not None:
            mask &= _within(self._items.prices, scope.price)
        if scope.item_age_days is not None:
            mask &= _within(self._items.age_days, scope.item_age_days)
        return mask

    def _codes(self, names: tuple[str, ...], *, key: str) -> list[int]:
        code_of = {name: code for code, name in enumerate(self._items.category_names)}
        self._miss("category", [name for name in names if name not in code_of], key)
        return [code_of[name] for name in names if name in code_of]

    def _tagged(self, names: tuple[str, ...], *, key: str) -> Bools:
        mask = np.zeros(len(self._items), dtype=np.bool_)
        tags = self._items.tags
        if tags is None:
            self._miss("tag", list(names), key)
            return mask
        labels = pc.list_flatten(tags)
        there = set(pc.unique(labels).to_pylist())
        self._miss("tag", [name for name in names if name not in there], key)
        hit = pc.is_in(labels, value_set=pa.array(names, pa.string()))
        mask[pc.list_parent_indices(tags).filter(hit).to_numpy()] = True
        return mask

    def _miss(self, kind: str, names: list[str], key: str) -> None:
        if names:
            self.warnings.append(f"{key}: no item is known of {kind} {', '.join(map(repr, names))}")


def _within(values: npt.NDArray[np.floating], limit: Limit) -> Bools:
    mask = np.ones(len(values), dtype=np.bool_)
    if limit.least is not None:
        mask &= values >= limit.least
    if limit.most is not None:
        mask &= values <= limit.most
    return mask | np.isnan(values) if limit.unknown else mask
