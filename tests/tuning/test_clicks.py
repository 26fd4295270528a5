"""Learning from a log's impressions: nothing of later days, nothing where they are few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys_batch.models.sources import NeighbourSettings, PopularSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.impressions import Impressions
from recsys_batch.ranking.reranker import RerankerSettings
from recsys_batch.tuning.clicks import ClickSettings, learn_from_clicks
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.trees import ON_IMPRESSIONS
from tuning.logs import choose, films

BEFORE, DAYS = 56, 14
SOURCES = {"near": NeighbourSettings(neighbours=20), "popular": PopularSettings()}
RERANKER = RerankerSettings(depth=60, k=10, trees=10, leaves=4, min_leaf=20)


def shown_films(seed: int = 5, requests: int = 8) -> Log:
    """Films with lists of ten shown to each user every week; those of the own taste are clicked."""
    log, rng = films(), np.random.default_rng(seed)
    parts = []
    for number, day in enumerate(range(0, 70, 70 // requests)):
        items = np.argsort(rng.random((60, 30)), axis=1)[:, :10]
        users, slots = np.indices(items.shape)
        clicked = (items % 3 == users % 3) & (rng.random(items.shape) < 1 / (slots + 1))
        columns = (users, items, np.full_like(users, day), users + 60 * number, slots + 1)
        parts.append([*(each.ravel().astype(np.int32) for each in columns), clicked.ravel()])
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    return replace(log, impressions=Impressions(*columns))


def learnt(log: Log, least: int = 20):
    return learn_from_clicks(
        log,
        before=BEFORE,
        half_lives=(None, None),
        repeats=True,
        sources=SOURCES,
        blend=Blend(tuple(SOURCES), (0.8, 0.2)),
        per_source=60,
        reranker=RERANKER,
        settings=ClickSettings(days=DAYS, users=100, least=least, seed=1),
    )


def text(log: Log) -> str:
    found, told = learnt(log)
    assert "clicks of 14 days are learnt from; position 10 is looked at 0." in told
    return found.booster.model_to_string()


def shifted(log: Log, *, acts: np.ndarray | None = None, shown: np.ndarray | None = None) -> Log:
    """The log with the items of some acts, or the clicks of some impressions, changed."""
    items, impressions = log.items.copy(), log.impressions
    if acts is not None:
        items[acts] = (items[acts] + 1) % 90
    if shown is not None:
        impressions = replace(impressions, clicked=impressions.clicked ^ shown)
    return replace(log, items=items, impressions=impressions)


def test_nothing_is_learnt_from_what_was_not_known_then():
    log = shown_films()
    expected = text(log)
    since = BEFORE - DAYS
    # Features: no act from the first day of the impressions on. Labels: no later impression.
    assert text(shifted(log, acts=log.days >= since)) == expected
    assert text(shifted(log, shown=log.impressions.days >= BEFORE)) == expected
    # And what was known counts.
    assert text(shifted(log, acts=log.days < since)) != expected
    window = (log.impressions.days >= since) & (log.impressions.days < BEFORE)
    assert text(shifted(log, shown=window)) != expected


def test_a_second_time_gives_equal_bits_and_other_users_are_drawn_by_the_seed():
    assert text(shown_films()) == text(shown_films())


@pytest.mark.parametrize("least", [100_000, 10**9])
def test_by_few_clicks_nothing_is_learnt(least):
    found, told = learnt(shown_films(), least)
    assert found is None
    assert told.startswith("impressions are not learnt from: ")
    assert told.endswith(f"of {least} needed")


def test_where_nothing_was_shown_nothing_is_said():
    assert learnt(films()) == (None, None)


def test_without_a_history_before_the_impressions_nothing_is_learnt():
    log = shown_films()
    late = log.days >= BEFORE - DAYS
    young = replace(
        log,
        **{name: getattr(log, name)[late] for name in ("users", "items", "days", "weights")},
        relevant=log.relevant[late],
        seen=log.seen[late],
    )
    found, told = learnt(young)
    assert found is None
    assert "are not learnt from" in told


def test_a_search_tries_them_where_there_are_enough_and_says_so_where_not():
    sources = {"near": {"kind": "neighbours"}}
    given = {"model__sources": sources, "model__rerank": True, "evaluation__holdout_days": 14}
    made = choose(shown_films(), 70, **given, tuning__min_clicks=20)
    assert any("clicks of 14 days are learnt from" in reason for reason in made.reasons)
    tried = {each["settings"]["kind"]: each for each in made.trials if "ndcg_blend" in each}
    assert ON_IMPRESSIONS in tried
    (told,) = [reason for reason in made.reasons if reason.startswith("re-ranked")]
    assert f"{ON_IMPRESSIONS} {tried[ON_IMPRESSIONS]['ndcg']:.4f}" in told
    few = choose(shown_films(), 70, **given, tuning__min_clicks=10**6)
    assert any(reason.startswith("impressions are not learnt from") for reason in few.reasons)
    assert few.recipe.weights == made.recipe.weights
