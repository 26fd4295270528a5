"""Trees that learn from the impressions before all validations, as a further contender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys_batch.models.sources import SourceSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import gather
from recsys_batch.ranking.clicks import click_lists, fit_clicks
from recsys_batch.ranking.features import make_history
from recsys_batch.ranking.position import examination
from recsys_batch.ranking.reranker import Reranker, RerankerSettings
from recsys_batch.tuning.log import Log


@dataclass(frozen=True)
class ClickSettings:
    """Which impressions are learnt from.

    Attributes
    ----------
    days
        Days of impressions, the last before the first validation.
    users
        Users of them, at most; of more, so many are drawn.
    least
        Clicks that are needed.
    seed
        Of the draw.
    """

    days: int
    users: int
    least: int
    seed: int


def learn_from_clicks(
    log: Log,
    *,
    before: int,
    half_lives: tuple[float | None, float | None],
    repeats: bool,
    sources: Mapping[str, SourceSettings],
    blend: Blend,
    per_source: int,
    reranker: RerankerSettings,
    settings: ClickSettings,
) -> tuple[Reranker | None, str | None]:
    """Learn from what was shown on the days before a day, and how that went, as a sentence.

    Sources and features know what was before the first of these days; positions are judged by all
    impressions before `before`. Nothing of that day or later is looked at.

    Parameters
    ----------
    before
        The first day that may not be looked at.
    sources, blend
        What brings candidates, in the order of the blend's weights.
    per_source
        Candidates that a source brings.

    Returns
    -------
    tuple
        The re-ranker, None where there is too little to learn from; and a sentence, None where
        nothing was shown at all.
    """
    if log.impressions is None or not len(log.impressions):
        return None, None
    since = before - settings.days
    past = log.impressions.of(log.impressions.days < before)
    shown = past.between(since, before)
    seen = examination(past)
    clicks = int(shown.clicked.sum())
    data = log.history(since, half_life_days=half_lives[0], popularity_half_life_days=half_lives[1])
    if min(clicks, seen.clicks) < settings.least or not data.weights.nnz:
        return None, (
            f"impressions are not learnt from: {clicks} clicks on {settings.days} days, "
            f"{seen.clicks} on items shown to a user at several positions, of {settings.least} "
            "needed"
        )
    known = np.flatnonzero(np.diff(data.weights.indptr))
    rows = np.intersect1d(shown.users[shown.clicked], known)
    if len(rows) > settings.users:
        rng = np.random.default_rng(settings.seed)
        rows = np.sort(rng.choice(rows, settings.users, replace=False))
    fitted = {name: source.fit(data) for name, source in sources.items()}
    found = gather(
        fitted,
        rows,
        per_source=per_source,
        exclude=None if repeats else log.seen_before(since)[rows],
        allow=log.known_items(since),
    )
    history = make_history(data.weights)
    lists = click_lists(blend, found, rows, history, shown, depth=reranker.depth)
    if len(lists.groups) < settings.least:
        return None, (
            f"impressions are not learnt from: {len(lists.groups)} clicks on what was a candidate, "
            f"of {settings.least} needed"
        )
    last = len(seen.propensity)
    return fit_clicks(blend, lists, seen, reranker), (
        f"{len(lists.groups)} clicks of {settings.days} days are learnt from; position {last} is "
        f"looked at {seen.propensity[-1]:.2f} times as often as the first, by {seen.clicks} clicks"
    )
