"""From a log to its recipe: what was chosen, and why, in sentences."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from recsys_batch.config import Settings
from recsys_batch.models.recipes import FACTORS, POPULAR, Recipe
from recsys_batch.models.sources import SourceSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.trial import blend_scores
from recsys_batch.tuning.clicks import ClickSettings
from recsys_batch.tuning.cuts import horizon_days, temporal_cuts
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.search import BROUGHT, Search
from recsys_batch.tuning.spaces import REPEATED, spaces
from recsys_batch.tuning.trees import choose_calibration, choose_trees, lessons_of
from recsys_batch.tuning.trials import Trials
from recsys_batch.tuning.usual import named_sources, pinned_by, usual_recipe


@dataclass(frozen=True)
class Choice:
    """A recipe and how it came about.

    Attributes
    ----------
    recipe
        What was chosen.
    reasons
        A sentence a choice, with its figures.
    trials
        Models tried, as `Trials.made` tells them.
    seconds
        What the search took.
    """

    recipe: Recipe
    reasons: tuple[str, ...]
    trials: list[dict[str, Any]]
    seconds: float

    def row(self) -> dict[str, Any]:
        """The choice as columns of `recipes`."""
        return {
            "recipe": self.recipe.text(),
            "reasons": list(self.reasons),
            "trials": len(self.trials),
            "seconds": self.seconds,
        }


def looked_until(first: dt.date, cutoff: dt.date, *, every_days: int) -> dt.date:
    """The latest day up to which a search looks, for a run that learns up to `cutoff`.

    It depends on the log's first day alone and not on when runs are made, so that a backfill in any
    order chooses the same: steps of a tenth of the history, and never more than `every_days`.

    Returns
    -------
    date
        The first day that is not looked at, at most `cutoff`.
    """
    days = (cutoff - first).days
    looked = 0
    while (step := min(every_days, max(1, looked // 10))) + looked <= days:
        looked += step
    return first + dt.timedelta(days=min(looked, days))


def fitted_on(first: dt.date, day: dt.date, until: dt.date, *, settings: Settings) -> dt.date:
    """The logical day whose features the model of a run is fitted on, at most `day`.

    The first day that has the run's recipe, and every `model.refit_days` days from then on. It
    depends on the log alone, so that a backfill in any order fits the same models.

    Parameters
    ----------
    first
        The log's first day.
    until
        The first day that the search for the run's recipe did not look at.
    """
    every, held = settings.model.refit_days, settings.evaluation.holdout_days
    pinned = settings.model.weights is not None  # one recipe for all days that have a history
    begun = (first if pinned else until - dt.timedelta(days=1)) + dt.timedelta(days=held)
    since = max(0, (day - begun).days)
    return min(day, begun + dt.timedelta(days=since // every * every))


def choose_recipe(
    read: Callable[[], Log],
    *,
    until: dt.date,
    settings: Settings,
    journal: Path | None = None,
    say: Callable[[str], None],
    changed: str | None = None,
) -> Choice:
    """Search a log for its recipe; what the settings name is not searched for.

    Parameters
    ----------
    read
        Reads the log; it is not called where the settings name the weights.
    until
        The first day that may not be looked at.
    journal
        As in `Trials`.
    changed
        Why a log is searched before its time, as the first of the reasons.

    Raises
    ------
    ConfigError
        `model.sources` or `model.weights` do not fit.
    """
    with threadpool_limits(limits=1, user_api="blas"):  # equal bits on any number of cores
        return _choice(
            read, until=until, settings=settings, journal=journal, say=say, changed=changed
        )


def _choice(
    read: Callable[[], Log],
    *,
    until: dt.date,
    settings: Settings,
    journal: Path | None,
    say: Callable[[str], None],
    changed: str | None,
) -> Choice:
    began = time.perf_counter()
    named = named_sources(settings)
    if settings.model.weights is not None:
        return Choice(usual_recipe(settings, named), (), [], time.perf_counter() - began)
    log = read()
    day = (until - dt.date(1970, 1, 1)).days
    asked = settings.evaluation.holdout_days
    days = horizon_days(log, until=day, days=asked)
    limits = settings.tuning
    cuts = temporal_cuts(log, until=day, days=days, users=limits.max_users, seed=limits.seed)
    users = sum(len(cut.rows) for cut in cuts)
    reasons: list[str] = []

    def tell(line: str) -> None:
        reasons.append(line)
        say(line)

    if changed is not None:
        tell(changed)
    if users < limits.min_users:
        share = log.repeat_share(day)
        tell(
            f"nothing is chosen by {users} validation users, as {limits.min_users} are needed: "
            f"the usual recipe is taken; of later acts {share:.0%} come back to an item"
        )
        recipe = usual_recipe(settings, named, repeats=share >= REPEATED, cohorts=log.n_cohorts > 1)
        return Choice(recipe, tuple(reasons), [], time.perf_counter() - began)
    tell(
        f"{users} users of {len(cuts)} validations judge, each by the {days} "
        f"day{'s' if days > 1 else ''} after a cut, the last before {until}"
    )
    if days < asked:
        tell("most of what is wanted is new: the horizon is one day")
    k = settings.evaluation.k
    trials = Trials(k=k, journal=journal)
    search = Search(cuts, k, began + limits.max_seconds, pinned_by(settings), trials, tell)
    search.choose_half_lives()
    found: dict[str, SourceSettings] = {}
    if named is not None:
        found = dict(named)
    else:
        for name, space in spaces(log).items():
            found[name] = search.choose_source(name, space)
    clicks = ClickSettings(days, limits.max_users, limits.min_clicks, limits.seed)
    recipe = _weighed(search, found, settings, clicks)
    if search.stopped:
        tell(f"the search was stopped after {limits.max_seconds:g} s (tuning.max_seconds)")
    return Choice(recipe, tuple(reasons), trials.made, time.perf_counter() - began)


def _weighed(
    search: Search, found: Mapping[str, SourceSettings], settings: Settings, clicks: ClickSettings
) -> Recipe:
    brought = search.candidates(found)
    weights = search.choose_weights(brought)
    newcomers = search.choose_newcomers(found)
    needed = {FACTORS, POPULAR, newcomers}
    order = [name for name, weight in weights.items() if weight or name in needed]
    weights = {name: weights[name] for name in order}
    blend = Blend(tuple(weights), tuple(weights.values()))
    used = {name: found[name] for name in order}
    lessons = lessons_of(search, brought, blend.sources)
    if settings.model.rerank:
        trees, scored = choose_trees(search, lessons, sources=used, blend=blend, clicks=clicks)
    else:
        trees, scored = None, blend_scores(blend, lessons, depth=BROUGHT)
    return Recipe(
        interest_half_life_days=search.interest,
        popularity_half_life_days=search.popularity,
        seen="allow" if search.repeats else "exclude",
        sources=used,
        weights=weights,
        newcomers=newcomers,
        trees=trees,
        calibration=choose_calibration(search, scored, seed=clicks.seed),
        per_source=settings.model.per_source,
    )
