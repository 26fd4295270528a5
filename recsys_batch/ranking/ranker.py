"""A model under rules: lists of exactly n items for any of its users."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.recipes import POPULAR
from recsys_batch.models.sources import PopularSettings, SegmentSettings
from recsys_batch.models.training import Training
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.calibration import probabilities
from recsys_batch.ranking.candidates import Candidates, Gatherer
from recsys_batch.ranking.features import History, make_history
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.policy import EXPLORATION, PIN, ItemFacts, Policy, UserFacts
from recsys_batch.ranking.policy.compile import compile_policy
from recsys_batch.ranking.reranker import read_trees

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.integer]
_BELOW = 1.0  # of the blend's scores, whose weights add up to about one


@dataclass(frozen=True, eq=False)
class Ranked:
    """Lists of some users, best first.

    Attributes
    ----------
    items
        int32, users x n: item rows, -1 where a list ends.
    scores
        float32, users x n: falling along each list, -inf where it ends.
    parts
        float32, (sources, the re-ranker and the rules) x users x n: what each adds to the score,
        0 where a list ends.
    sources
        int8, users x n: place in `Ranker.source_names` of what brought the item into the list.
    propensity
        float32, users x n: probability with which the item came to its place; 1 where nothing was
        drawn by chance.
    probability
        float32, users x n: that a user who comes back acts on the item within the days of a
        hold-out, by its score before rules; NaN where the recipe has no calibration, of users
        without a history, and where rules put what was no candidate.
    """

    items: Ints
    scores: Floats
    parts: Floats
    sources: npt.NDArray[np.int8]
    propensity: Floats
    probability: Floats


class Ranker:
    """Ranks for users of a model under rules, a block at a time.

    Parameters
    ----------
    model
        The fitted sources and their weights.
    policy
        The rules.
    as_of
        The logical day.
    run_id
        Seed of what is drawn by chance.
    n
        Length of a list.

    Attributes
    ----------
    compiled
        The rules, resolved.
    """

    def __init__(
        self, model: RankingModel, policy: Policy, *, as_of: dt.date, run_id: str, n: int
    ) -> None:
        self.model, self._run_id, self.n = model, run_id, n
        facts = _item_facts(model)
        self.compiled = compile_policy(policy, facts, as_of=as_of)
        names = list(model.sources)
        self.source_names = (*names, "pin", "exploration")
        self._fallback = names.index(POPULAR)
        weights = [model.recipe.weights[name] for name in names]
        blend = Blend(tuple(names), tuple(weights))
        trees = model.recipe.trees
        self._reranker = None if trees is None else read_trees(trees, blend, n=n)
        alone = [float(name == model.recipe.newcomers) for name in names]
        self._weights = np.array([weights, alone], dtype=np.float32)
        order = np.lexsort((np.arange(len(facts)), -facts.popularity))
        self._fill = order.astype(np.int32)
        self._taken = {kind: _taken(model.trained_on, kind) for kind in policy.repeat}
        self._by_category = _by_category(model) if _calibrates(policy) else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the rules name in vain."""
        return self.compiled.warnings

    @property
    def repeats_shown(self) -> bool:
        """Whether what a user has seen may be listed, by the recipe or by rules on repeats."""
        return bool(self._taken) or self.model.recipe.seen == "allow"

    def available(self, rows: Rows) -> npt.NDArray[np.int64]:
        """How many items each user's list may choose from."""
        base = self.compiled.allowed()
        out = self._exclude(rows, self._user_facts(rows))
        kept_out = out @ base.astype(np.int64)
        return np.asarray(int(base.sum()) - kept_out, dtype=np.int64)

    def rank(self, rows: Rows) -> Ranked:
        """Rank for some users: n distinct allowed items, or as many as there are.

        Users with a history get the weighted sum of all sources' standard scores, users without
        one the order of the recipe's source for newcomers; then the rules arrange. Order is by
        score, then item row.
        """
        users = self._user_facts(rows)
        exclude = self._exclude(rows, users)
        found = self._gatherer.candidates(rows, exclude=exclude, allow=self.compiled.allowed())
        weights = self._weights[np.where(self.model.known[rows], 0, 1)].T[:, :, None]
        parts = found.scores * weights
        parts = np.concatenate([parts, self._corrections(found, rows)[None]])
        scores = np.where(found.items < 0, np.float32(-np.inf), parts.sum(axis=0))
        made = self.compiled.arrange(
            found.items,
            scores,
            users,
            n=self.n,
            run_id=self._run_id,
            fill=self._fill,
            last_taken_days=self._candidate_days(rows, found.items),
            exclude=exclude,
        )
        parts = np.pad(parts, ((0, 0), (0, 0), (0, 1)))  # place -1: nothing is added
        shown = np.take_along_axis(parts, made.places[None], axis=2)
        sources = np.where(weights, shown[:-1], -np.inf).argmax(axis=0).astype(np.int8)
        sources[made.places < 0] = self._fallback  # it was no candidate
        sources[made.why == PIN] = len(self.source_names) - 2
        sources[made.why == EXPLORATION] = len(self.source_names) - 1
        everything = np.concatenate([shown, made.adjustments[None]]).astype(np.float32)
        told = np.where(made.places < 0, np.nan, shown.sum(axis=0))
        likely = self._probability(told, rows)
        return Ranked(made.rows, made.scores, everything, sources, made.propensity, likely)

    def alone(self, rows: Rows) -> dict[str, Ints]:
        """Lists that each source makes by itself, under the hard rules: users x n.

        Users without a history get what is popular from every source.
        """
        exclude = self._exclude(rows, self._user_facts(rows))
        lists = self._gatherer.best(rows, exclude=exclude, allow=self.compiled.allowed())
        strangers = ~self.model.known[rows]
        for name, found in lists.items():
            if not isinstance(self.model.recipe.sources[name], PopularSettings | SegmentSettings):
                found[strangers] = lists[POPULAR][strangers]
        return {name: found[:, : self.n] for name, found in lists.items()}

    def _probability(self, told: npt.NDArray[np.floating], rows: Rows) -> Floats:
        """What scores mean to users of whom there is a history."""
        calibration = self.model.recipe.calibration
        if calibration is None:
            return np.full(told.shape, np.nan, dtype=np.float32)
        known = self.model.known[rows][:, None]
        return probabilities(calibration, np.where(known, told, np.nan)).astype(np.float32)

    def _corrections(self, found: Candidates, rows: Rows) -> Floats:
        """What the trees add to each candidate's score; nothing for users without a history."""
        added = np.zeros(found.items.shape, dtype=np.float32)
        if self._reranker is not None:
            known = np.flatnonzero(self.model.known[rows])
            told = self._reranker.corrections(found.of(known), rows[known], self._history)
            # Below the depth a candidate stays below those that were re-ranked.
            least = np.where(np.isfinite(told), told, np.inf).min(
                axis=1, keepdims=True, initial=np.inf
            )
            added[known] = np.where(np.isfinite(told), told, least - _BELOW)
        return added

    @cached_property
    def _gatherer(self) -> Gatherer:
        """Made when first ranked with: comparing the rules of two days needs none."""
        per_source = max(self.n, self.model.recipe.per_source)
        return Gatherer(self.model.sources, per_source=per_source)

    @cached_property
    def _history(self) -> History:
        return make_history(self.model.trained_on.data.weights)

    def _user_facts(self, rows: Rows) -> UserFacts:
        trained_on = self.model.trained_on
        keys, data = trained_on.keys, trained_on.data
        return UserFacts(
            keys=[keys[row].decode() if row < len(keys) else "" for row in rows],
            regions=_named(trained_on.region_names, data.regions, rows),
            cohorts=_named(trained_on.cohort_names, data.cohorts, rows),
            age_years=trained_on.least_ages[rows],
            tastes=None
            if self._by_category is None
            else (data.weights[rows] @ self._by_category).toarray(),
        )

    def _exclude(self, rows: Rows, users: UserFacts) -> sparse.csr_matrix:
        """What no list of the users may hold, besides what no list at all may: users x items."""
        compiled = self.compiled
        out = compiled.exclude(users).astype(np.int64)
        if not self.repeats_shown:
            out = out + self.model.trained_on.seen[rows].astype(bool).astype(np.int64)
        if self._taken:
            soon = compiled.too_soon(
                {kind: _days(all_, rows) for kind, all_ in self._taken.items()}
            )
            out = out + soon.astype(bool).astype(np.int64)
        if compiled.region_masks:
            banned = compiled.allowed() & ~compiled.masks[compiled.mask_rows(users)]
            out = out + sparse.csr_matrix(banned.astype(np.int64))
        found = sparse.csr_matrix(out)
        found.data[:] = 1
        return found

    def _candidate_days(self, rows: Rows, items: Ints) -> dict[str, Floats] | None:
        """Days since each user took each candidate in the ways that rules name; NaN for never."""
        if not self._taken:
            return None
        found = {}
        for kind, everyone in self._taken.items():
            taken = _days(everyone, rows)
            days = np.full(items.shape, np.nan, dtype=np.float32)
            for user, own in enumerate(items):
                cells = slice(taken.indptr[user], taken.indptr[user + 1])
                there = np.isin(own, taken.indices[cells])
                order = np.searchsorted(taken.indices[cells], own[there])
                days[user, there] = taken.data[cells][order]
            found[kind] = days
        return found


def _named(names: tuple[str, ...], codes: Ints | None, rows: Rows) -> list[str | None]:
    told = (*names, None)  # -1 is the last name: none
    return [None if codes is None else told[codes[row]] for row in rows]


def _taken(trained_on: Training, kind: str) -> sparse.csr_matrix:
    """One plus the days since each user took each item in a way: users x items."""
    weights, ages = trained_on.data.weights, trained_on.data.ages
    assert ages is not None
    acted = np.ones(len(ages), dtype=np.float32)
    if kind != "any":
        code = trained_on.act_names.index(kind) if kind in trained_on.act_names else -1
        acted = (trained_on.acts == code).astype(np.float32)
    cells = (
        acted * (ages + trained_on.ahead_days + 1),
        weights.indices.copy(),
        weights.indptr.copy(),
    )
    taken = sparse.csr_matrix(cells, weights.shape)
    taken.eliminate_zeros()
    return taken


def _days(taken: sparse.csr_matrix, rows: Rows) -> sparse.csr_matrix:
    """Days since some users took items, 0 included, of what `_taken` says of all."""
    days = taken[rows]
    days.data -= 1
    return days


def _item_facts(model: RankingModel) -> ItemFacts:
    trained_on = model.trained_on
    popularity = trained_on.data.popularity
    assert popularity is not None
    return ItemFacts(
        ids=list(trained_on.ids),
        recommendable=trained_on.recommendable,
        categories=trained_on.categories,
        category_names=trained_on.category_names,
        prices=trained_on.prices,
        age_days=trained_on.item_days,
        popularity=(popularity / max(float(popularity.max(initial=0.0)), 1e-12)).astype(np.float32),
        tags=trained_on.tags,
        vectors=np.asarray(model.factors.items),
    )


def _calibrates(policy: Policy) -> bool:
    return policy.diversity.method == "calibration"


def _by_category(model: RankingModel) -> sparse.csr_matrix:
    """Items x categories."""
    codes = model.trained_on.categories
    known = np.flatnonzero(codes >= 0)
    cells = (np.ones(len(known), dtype=np.float32), (known, codes[known]))
    return sparse.csr_matrix(cells, shape=(len(codes), len(model.trained_on.category_names)))
