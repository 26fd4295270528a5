"""Small models whose scores are known, and ranking written once more in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from models.feature_tables import UNTIL, USERS, Pair, items, pairs, popularity, table

from recsys_batch.models.recipes import Recipe
from recsys_batch.models.sources import AlsSettings, FactorScores, PopularSettings, SourceSettings
from recsys_batch.models.training import Training, training
from recsys_batch.ranking.model import RankingModel
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.ranker import Ranker


def trained(
    ids: Sequence[str],
    *history: Pair,
    users: Mapping[str, str | None],
    popular: Mapping[str | None, Mapping[str, float]] | None = None,
    blocked: Sequence[str] = (),
    cohorts: Mapping[str, str] | None = None,
    ages: Mapping[str, int] | None = None,
) -> Training:
    """Features of a shop; `users` have regions, some cohorts and ages, and may have lists."""
    titles = {each: f"the {each}" for each in ids}
    return training(
        pairs(*history),
        table(
            USERS,
            [
                (key, region, (cohorts or {}).get(key), (ages or {}).get(key))
                for key, region in users.items()
            ],
        ),
        items(ids, blocked=blocked, titles=titles),
        popularity(popular or {}),
        until=UNTIL,
    )


def recipe(
    sources: Mapping[str, SourceSettings] | None = None,
    weights: Mapping[str, float] | None = None,
    **changed: object,
) -> Recipe:
    """A recipe of ALS and popularity, or of other sources beside them."""
    named = {"als": AlsSettings(factors=2), "popular": PopularSettings()} | dict(sources or {})
    given = {
        "interest_half_life_days": None,
        "popularity_half_life_days": None,
        "seen": "exclude",
        "sources": named,
        "weights": dict.fromkeys(named, 1.0) | dict(weights or {}),
    }
    return Recipe.model_validate({**given, **changed})


def model(
    known: Training,
    made_by: Recipe,
    *,
    users: Mapping[str, Sequence[float]] | None = None,
    items: Mapping[str, Sequence[float]] | None = None,
) -> RankingModel:
    """A model whose factors are given, not fitted; what is not named has none."""
    width = len(next(iter((items or {}).values()), [0.0]))
    rows, ids = known.data.weights.shape[0], known.ids
    factors = FactorScores(
        np.zeros((rows, width), dtype=np.float32), np.zeros((len(ids), width), dtype=np.float32)
    )
    for key, vector in (users or {}).items():
        factors.users[row(known, key)] = vector
    for key, vector in (items or {}).items():
        factors.items[ids.index(key)] = vector
    fitted = {
        name: factors if name == "als" else settings.fit(known.data)
        for name, settings in made_by.sources.items()
    }
    return RankingModel(made_by, known, fitted)


def row(known: Training, user: str) -> int:
    """Row of a user."""
    return known.keys.tolist().index(user.encode())


def ranker(ranking: RankingModel, n: int, **rules: object) -> Ranker:
    """The model under rules, of which there are none unless given."""
    policy = Policy.model_validate({"version": "1", **rules})
    return Ranker(ranking, policy, as_of=UNTIL, run_id="run", n=n)


def listed(ranking: RankingModel, user: str | int, n: int, **rules: object) -> list[str]:
    """Ids of a user's list."""
    place = user if isinstance(user, int) else row(ranking.trained_on, user)
    found = ranker(ranking, n, **rules).rank(np.array([place])).items[0]
    return [ranking.trained_on.ids[item] for item in found if item >= 0]


def oracle(ranking: RankingModel, user: int, *, n: int) -> dict[int, list[float]]:
    """Candidates of a user and what each source adds to their scores, from all scores at once."""
    known, made_by = ranking.trained_on, ranking.recipe
    seen = set(known.seen[[user]].indices.tolist()) if made_by.seen == "exclude" else set()
    open_ = [place for place in np.flatnonzero(known.recommendable).tolist() if place not in seen]
    history = known.data.weights.indptr[user + 1] > known.data.weights.indptr[user]
    parts: dict[int, list[float]] = {}
    brought: set[int] = set()
    for name, source in ranking.sources.items():
        scores = source.scores(np.array([user]))[0].astype(np.float64)
        best = sorted(open_, key=lambda place, own=scores: (-own[place], place))
        brought |= set(best[: max(n, made_by.per_source)])
        spread = scores.std()
        standard = (scores - scores.mean()) / spread if spread > 1e-5 else 0 * scores
        weight = made_by.weights[name] if history else float(name == made_by.newcomers)
        for place in open_:
            parts.setdefault(place, []).append(weight * standard[place])
    return {place: parts[place] for place in sorted(brought)}
