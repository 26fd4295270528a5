"""From a log to its recipe: when it is chosen, what is kept, and that the future is not read."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.config import load_settings
from recsys_batch.errors import ConfigError
from recsys_batch.models.sources import AlsSettings, PopularSettings, RepeatSettings
from recsys_batch.tuning.log import Log
from recsys_batch.tuning.recipes import fitted_on, looked_until
from recsys_batch.tuning.spaces import USUAL, USUAL_COHORTS, USUAL_REPEAT
from tuning.logs import choose, groceries, log_of

FIRST = dt.date(2026, 1, 1)
NAMED = {
    "model.sources": {
        "again": {"kind": "repeat"},
        "als": {"kind": "als", "factors": 4, "iterations": 3},
        "near": {"kind": "neighbours", "neighbours": 10},
    },
}


def dotted(**overrides: object) -> dict[str, object]:
    return {key.replace(".", "__"): value for key, value in overrides.items()}


def looked(days: int, every_days: int = 7) -> int:
    cutoff = FIRST + dt.timedelta(days=days)
    return (looked_until(FIRST, cutoff, every_days=every_days) - FIRST).days


@given(days=st.integers(-20, 2000), every=st.integers(1, 30))
def test_a_search_looks_no_further_than_a_run_learns_and_never_lags_long(days, every):
    found = looked(days, every)
    assert found <= days
    assert days - found < max(1, min(every, days * 0.1)) or days <= 0


@given(days=st.integers(-5, 500), more=st.integers(0, 60), every=st.integers(1, 30))
def test_a_later_run_looks_at_no_less(days, more, every):
    assert looked(days, every) <= looked(days + more, every)


def test_while_the_history_is_short_it_is_looked_at_whenever_it_has_grown_by_a_tenth():
    assert [looked(days) for days in range(13)] == list(range(13))
    assert len({looked(days) for days in range(20, 40)}) == 9  # 20, 22, ... 30, 33, 36, 39
    assert len({looked(days) for days in range(200, 270)}) == 11  # every seven days


@given(
    days=st.integers(8, 900),
    every=st.integers(1, 30),
    searched=st.integers(1, 30),
    weights=st.sampled_from([None, {"als": 1.0, "popular": 0.0}]),
)
def test_a_model_is_fitted_on_the_day_that_its_own_day_says(days, every, searched, weights):
    """The fit's day has the same recipe, a history, and itself as the day of its fit."""
    named = None if weights is None else {"als": {"kind": "als"}}
    given_ = {"model": {"refit_days": every, "weights": weights, "sources": named}}
    own = load_settings("sample", overrides={**given_, "tuning": {"every_days": searched}})
    held = own.evaluation.holdout_days

    def fit(day: dt.date) -> tuple[dt.date, dt.date]:
        cutoff = day + dt.timedelta(days=1 - held)
        until = looked_until(FIRST, cutoff, every_days=searched)
        return fitted_on(FIRST, day, until, settings=own), until

    day = FIRST + dt.timedelta(days=days)
    fitted, until = fit(day)
    assert dt.timedelta(0) <= day - fitted < dt.timedelta(days=every)
    assert (fitted - FIRST).days >= held
    assert fit(fitted)[0] == fitted
    if weights is None:
        assert fit(fitted)[1] == until


def test_by_too_few_users_nothing_is_chosen():
    choice = choose(log_of([(0, day, day) for day in range(30)], users=1, items=30), 30)
    assert choice.trials == []
    assert len(choice.reasons) == 1
    assert choice.reasons[0].startswith("nothing is chosen by ")
    assert choice.reasons[0].endswith("of later acts 0% come back to an item")
    assert choice.recipe.sources == USUAL
    assert choice.recipe.seen == "exclude"


def test_few_users_who_come_back_to_their_own_items_are_shown_these():
    log = log_of([(0, day % 2, day) for day in range(30)], users=1, items=2)
    choice = choose(log, 30)
    assert choice.recipe.seen == "allow"
    assert choice.recipe.sources == USUAL | USUAL_REPEAT
    assert choice.recipe.weights["repeat"] > 0
    pinned = choose(log, 30, recommend__seen="exclude")
    assert pinned.recipe.seen == "exclude"
    assert pinned.recipe.sources == USUAL


def test_few_users_of_several_cohorts_get_lists_of_these():
    told = {"cohorts": np.array([0, 1], dtype=np.int32), "n_cohorts": 2}
    log = log_of([(day % 2, day, day) for day in range(30)], users=2, items=30, **told)
    recipe = choose(log, 30).recipe
    assert recipe.sources == USUAL | USUAL_COHORTS
    assert recipe.tells_cohorts
    assert not choose(replace(log, n_cohorts=1), 30).recipe.tells_cohorts


def test_an_empty_log_has_the_usual_recipe():
    assert choose(log_of([], users=0, items=0), 30).recipe.sources == USUAL


def test_where_weights_are_named_nothing_is_searched_for():
    weights = {"again": 2.0, "als": 0.5}
    given = dotted(**NAMED, **{"model.weights": weights, "recommend.seen": "allow"})
    choice = choose(groceries(), 42, **given)
    assert (choice.trials, choice.reasons) == ([], ())
    made = choice.recipe
    assert made.weights == {"als": 0.5, "popular": 0.0, "again": 2.0, "near": 0.0}
    assert made.sources["als"] == AlsSettings(factors=4, iterations=3)
    assert made.sources["popular"] == PopularSettings()
    assert made.seen == "allow"


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ({"model.sources": {"x": {"kind": "oracle"}}}, "oracle"),
        ({"model.sources": {"x": {"kind": "repeat", "half_life": 3}}}, "x.repeat.half_life"),
        ({"model.sources": {"als": {"kind": "als", "factors": 0}}}, "als.als.factors"),
        ({"model.weights": {"unknown": 1.0}}, "must name the same"),
    ],
)
def test_named_sources_that_do_not_fit_are_told(overrides, found):
    with pytest.raises(ConfigError) as caught:
        choose(groceries(), 42, **dotted(**overrides))
    assert found in str(caught.value)
    assert "model.sources and model.weights" in str(caught.value)


@pytest.fixture(scope="module")
def named():
    return choose(groceries(), 42, **dotted(**NAMED))


def test_named_sources_are_kept_and_weighed_by_the_log(named):
    assert named.recipe.sources["again"] == RepeatSettings()
    assert named.recipe.seen == "allow"
    assert max(named.recipe.weights, key=lambda name: named.recipe.weights[name]) == "again"
    assert sum(named.recipe.weights.values()) == pytest.approx(1.0, abs=1e-3)


def test_the_same_log_gives_the_same_recipe_and_reasons(named):
    again = choose(groceries(), 42, **dotted(**NAMED))
    assert again.recipe == named.recipe
    assert again.reasons == named.reasons
    assert again.trials == named.trials


def test_what_is_pinned_is_kept():
    choice = choose(
        groceries(),
        42,
        **dotted(**NAMED),
        features__half_life_days=11.0,
        popularity__half_life_days=None,
        recommend__seen="exclude",
    )
    made = choice.recipe
    assert (made.interest_half_life_days, made.popularity_half_life_days) == (11.0, None)
    assert made.seen == "exclude"  # although these people only repeat
    tried = {trial["settings"]["interest"] for trial in choice.trials}
    assert tried == {11.0}


def with_future(log: Log, until: int, seed: int) -> Log:
    """The log and, behind it, a future that is another with each seed."""
    rng = np.random.default_rng(seed)
    more = 500
    later = {
        "users": rng.integers(0, log.n_users, more).astype(np.int32),
        "items": rng.integers(0, log.n_items, more).astype(np.int32),
        "days": rng.integers(until, until + 20, more).astype(np.int32),
        "weights": rng.uniform(0, 9, more).astype(np.float32),
        "relevant": rng.random(more) < 0.5,
        "seen": rng.random(more) < 0.5,
    }
    past = log.days < until
    return replace(
        log,
        **{name: np.concatenate([getattr(log, name)[past], each]) for name, each in later.items()},
    )


def test_the_days_from_until_on_are_not_looked_at(named):
    until = 35
    choices = [
        choose(with_future(groceries(), until, seed), until, **dotted(**NAMED)) for seed in (1, 2)
    ]
    assert choices[0].recipe == choices[1].recipe
    assert choices[0].reasons == choices[1].reasons
    assert choices[0].trials == choices[1].trials
    assert choices[0].trials != named.trials  # which looked seven days further
