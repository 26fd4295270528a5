"""Whose lists may differ from those of an earlier run that kept the same model.

A list is made of what all users share (what was learnt of items, their facts, the rules of the day)
and of the user's own features. Where all that is shared is equal to the bit, the lists of users
whose own features are equal, too, are those of the earlier run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_batch.models.sources import FactorSource
from recsys_batch.models.training import Training
from recsys_batch.models.unchanged import rows_before, same_acts, same_seen
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.ranker import Ranker

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
UNCHANGED = "unchanged"


@dataclass(frozen=True, eq=False)
class Changes:
    """Users of a run who may have a list, by whether theirs must be made anew.

    Attributes
    ----------
    changed, unchanged
        Their rows, ascending.
    reasons
        Why, and of how many; the first reason that holds of a user counts.
    built_on
        The earlier run.
    """

    changed: Rows
    unchanged: Rows
    reasons: dict[str, int]
    built_on: str | None = None

    def sentence(self) -> str:
        """How many lists are made anew, and why."""
        why = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.items())
        if self.built_on is None:
            return f"all {len(self.changed):,} lists are made: {why}"
        return (
            f"{len(self.changed):,} of {len(self.changed) + len(self.unchanged):,} lists are made "
            f"anew{': ' if why else ''}{why}; the others are those of {self.built_on}"
        )

    def rows(self) -> list[dict[str, Any]]:
        """The same as rows of `list_changes`."""
        return [
            {"built_on": self.built_on, "reason": reason, "users": count}
            for reason, count in (*self.reasons.items(), (UNCHANGED, len(self.unchanged)))
        ]


def all_changed(model: RankingModel, reason: str) -> Changes:
    """Every list is made anew."""
    listed = np.flatnonzero(model.trained_on.listed)
    return Changes(listed, listed[:0], {reason: len(listed)})


def changes(before: Ranker, now: Ranker) -> Changes:
    """Compare what lists are made of.

    Parameters
    ----------
    before, now
        The rankers of two runs with the same settings and rules.
    """
    shared = next(_shared_changes(before, now), None)
    if shared is not None:
        return all_changed(now.model, shared)
    return _own_changes(before.model.trained_on, now.model.trained_on)


def _shared_changes(before: Ranker, now: Ranker) -> Iterator[str]:
    """Sentences on what has changed for everybody."""
    model, policy = now.model, now.compiled.policy
    if not model.fitted_in or model.fitted_in != before.model.fitted_in:
        yield "the model was fitted anew"
    if model.recipe.trees is not None:
        yield "the re-ranker looks at what all users did"
    if policy.repeat:
        yield "rules on repeats count days"
    if policy.exploration.positions:
        yield "places are drawn by chance every day"
    yield from _changed_facts(before.model.trained_on, model.trained_on)
    moved = _moved_items(before.model, model)
    if moved:
        yield f"items that the model does not know have new factors: {moved}"
    rules = ("masks", "region_masks", "cohort_rows", "user_rows", "age_rows", "plan")
    if not all(
        _same(getattr(now.compiled, each), getattr(before.compiled, each)) for each in rules
    ):
        yield "rules hold of other items than before"


def _changed_facts(before: Training, now: Training) -> Iterator[str]:
    """What is otherwise of items, or of what users are grouped by; the first must be met first."""
    if now.ids != before.ids:
        yield f"items are new: {len(set(now.ids) - set(before.ids))}"
    for told in ("titles", "recommendable", "categories", "category_names"):
        if not _same(getattr(now, told), getattr(before, told)):
            yield f"items have changed: {told}"
    if now.data.texts != before.data.texts:
        yield "items have changed: texts"
    if (now.region_names, now.cohort_names) != (before.region_names, before.cohort_names):
        yield "regions or cohorts have changed"


def _moved_items(before: RankingModel, now: RankingModel) -> int:
    """Items of which a source has other factors; there are the same items."""
    moved = np.zeros(len(now.trained_on.ids), dtype=np.bool_)
    for name, source in now.sources.items():
        was = before.sources[name]
        if isinstance(source, FactorSource) and isinstance(was, FactorSource):
            moved |= (source.items != was.items).any(axis=1)
    return int(moved.sum())


def _own_changes(before: Training, now: Training) -> Changes:
    """Compare the users' own features, where those of items are equal."""
    listed = np.flatnonzero(now.listed)
    place = rows_before(before, now, listed)
    there = (place >= 0) & before.listed[place]
    reasons: dict[str, int] = {}
    open_ = np.ones(len(listed), dtype=np.bool_)

    def found(reason: str, changed: Bools) -> None:
        count = int((changed & open_).sum())
        if count:
            reasons[reason] = count
        open_[changed] = False

    found("users without a list before", ~there)
    rows, was = listed[there], place[there]
    same = same_acts(before, now, was, rows) & same_seen(before, now, was, rows)
    own, facts = (np.zeros(len(listed), dtype=np.bool_) for _ in range(2))
    own[there] = ~same
    found("what they did", own)
    ages, old = now.least_ages[rows], before.least_ages[was]
    facts[there] = (ages != old) & ~(np.isnan(ages) & np.isnan(old))
    for one, other in (
        (now.data.regions, before.data.regions),
        (now.data.cohorts, before.data.cohorts),
    ):
        assert one is not None
        assert other is not None
        facts[there] |= one[rows] != other[was]
    found("region, cohort or age", facts)
    return Changes(listed[~open_], listed[open_], reasons)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, to the bit where they are arrays; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        floats = np.issubdtype(one.dtype, np.floating)
        return bool(np.array_equal(one, other, equal_nan=floats))
    if is_dataclass(one) and type(one) is type(other):
        return all(
            _same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
