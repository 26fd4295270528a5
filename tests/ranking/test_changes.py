"""Lists that are taken over from an earlier run are those that would be made anew, to the bit."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.feature_tables import UNTIL, USERS, Pair, items, pairs, popularity, table

from ranking.cases import recipe
from recsys_batch.models.sources import (
    AlsSettings,
    CohortSettings,
    ContentSettings,
    EaseSettings,
    IalsSettings,
    LinearFilterSettings,
    LowPassSettings,
    NeighbourSettings,
    RegionalSettings,
    RepeatSettings,
)
from recsys_batch.models.training import Training, training
from recsys_batch.ranking.changes import changes
from recsys_batch.ranking.lists import user_lists
from recsys_batch.ranking.model import RankingModel, fit_model, fold_model, unchanged_users
from recsys_batch.ranking.policy import Policy
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.reasons import Reasons

N_USERS, N_ITEMS, N = 300, 40, 8
IDS = [f"i{number:02}" for number in range(N_ITEMS)]
TOMORROW = UNTIL + dt.timedelta(days=1)
SOURCES = {
    "als": AlsSettings(factors=6, iterations=3),
    "ials": IalsSettings(factors=6, iterations=3, item_exponent=0.3),
    "near": NeighbourSettings(neighbours=10, profile_half_life_days=5.0),
    "filter": LinearFilterSettings(signal_exponent=0.3),
    "smooth": LowPassSettings(factors=6),
    "ease": EaseSettings(regularization=5.0, max_items=30),
    "again": RepeatSettings(half_life_days=9.0),
    "text": ContentSettings(),
    "region": RegionalSettings(),
    "cohort": CohortSettings(),
}
REGIONS, COHORTS = ("north", "south", None), ("old", "young", None)


def key(number: int) -> str:
    return f"{number:064x}"


def history(rng: np.random.Generator) -> dict[int, list[Pair]]:
    """Of each user what was done; every fifth has done nothing."""
    return {
        user: [
            (key(user), IDS[item], float(rng.integers(1, 4)), kind, kind == "purchase", int(ago))
            for item, kind, ago in zip(
                rng.choice(N_ITEMS, 5, replace=False),
                rng.choice(["view", "purchase"], 5),
                rng.integers(0, 20, 5),
                strict=True,
            )
        ]
        for user in range(N_USERS)
        if user % 5
    }


def features(
    done: dict[int, list[Pair]],
    *,
    users: dict[int, tuple[str | None, str | None, int | None]],
    ids: list[str] = IDS,
    titles: dict[str, str] | None = None,
    fit: Training | None = None,
) -> Training:
    return training(
        pairs(*(pair for each in done.values() for pair in each)),
        table(USERS, [(key(user), *facts) for user, facts in users.items()]),
        items(ids, titles=titles or {each: f"the {each[1]} {each[2]}" for each in ids}),
        popularity({None: dict.fromkeys(IDS, 2.0), "north": {"i03": 5.0}, "south": {}}),
        until=UNTIL if fit is None else TOMORROW,
        fit=fit,
        fit_until=None if fit is None else UNTIL,
    )


DONE = history(np.random.default_rng(3))
FACTS = {user: (REGIONS[user % 3], COHORTS[user % 2], None) for user in range(N_USERS)}


@pytest.fixture(scope="module")
def fit() -> RankingModel:
    known = features(DONE, users=FACTS)
    model = fit_model(known, recipe(SOURCES), fitted_in="the fit")
    return fold_model(model, known)


def ranker(model: RankingModel, day: dt.date = UNTIL, **rules: object) -> Ranker:
    policy = Policy.model_validate({"version": "1", **rules})
    return Ranker(model, policy, as_of=day, run_id=str(day), n=N)


def lists(model: Ranker, rows: np.ndarray) -> list[dict[str, object]]:
    return user_lists(model, rows, Reasons(model.model)).to_pylist()


def assert_same_factors(one: RankingModel, other: RankingModel) -> None:
    for name in ("als", "ials"):
        for each in ("users", "items"):
            got, wanted = (getattr(model.sources[name], each) for model in (one, other))
            assert got.tobytes() == wanted.tobytes()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_is_taken_over_is_what_would_be_made_anew(fit, data):
    """Users act, come, and move; lists of the others stay, and everybody who acts is ranked."""
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    acting = set(rng.choice(N_USERS, data.draw(st.integers(0, 40)), replace=False).tolist())
    coming = range(N_USERS, N_USERS + data.draw(st.integers(0, 5)))
    moving = set(rng.choice(N_USERS, data.draw(st.integers(0, 10)), replace=False).tolist())
    done = {user: [*each] for user, each in DONE.items()}
    for user in (*acting, *coming):
        had = {pair[1] for pair in done.get(user, [])}
        item = next(each for each in rng.permutation(IDS) if each not in had)
        done.setdefault(user, []).append((key(user), str(item), 2.0, "view", False, -1))
    facts = {**FACTS, **dict.fromkeys(coming, ("north", None, None))}
    facts.update(dict.fromkeys(moving, ("south", "old", 18)))
    known = features(done, users=facts, fit=fit.trained_on)
    unchanged = unchanged_users(fit, known, fitted_in=fit.fitted_in)
    folded = fold_model(fit, known, unchanged)
    assert {int(key, 16) for key in known.keys[unchanged.rows[: len(known.keys)] < 0]} == (
        acting | set(coming)
    )
    assert_same_factors(folded, fold_model(fit, known))
    before, now = ranker(fit), ranker(folded, TOMORROW)
    found = changes(before, now)
    changed = {int(known.keys[row], 16) for row in found.changed}
    assert changed == acting | set(coming) | moving
    assert sum(found.reasons.values()) == len(found.changed)
    assert set(found.reasons) <= {
        *("users without a list before", "what they did", "region, cohort or age")
    }
    was = np.searchsorted(fit.trained_on.keys, known.keys[found.unchanged])
    assert lists(now, found.unchanged) == lists(before, was)


def test_a_list_does_not_depend_on_who_is_ranked_beside_the_user(fit):
    model = ranker(fit)
    rows = np.random.default_rng(0).permutation(N_USERS)
    together = {each["user_key"]: each for each in lists(model, rows)}
    for first in range(0, 60, 7):
        for each in lists(model, rows[first : first + 7]):
            assert each == together[each["user_key"]]


def test_nobody_is_taken_over_from_another_fit_or_where_items_are_new(fit):
    same = features(DONE, users=FACTS, fit=fit.trained_on)
    more = features(DONE, users=FACTS, ids=[*IDS, "i99"], fit=fit.trained_on)
    assert unchanged_users(fit, same, fitted_in=fit.fitted_in) is not None
    assert unchanged_users(fit, same, fitted_in="another") is None
    assert unchanged_users(fit, more, fitted_in=fit.fitted_in) is None


SHARED = {
    "a new item": "items are new: 1",
    "a new title": "items have changed: titles",
    "another fit": "the model was fitted anew",
    "repeats": "rules on repeats count days",
    "chance": "places are drawn by chance every day",
    "a pin that begins": "rules hold of other items than before",
}


@pytest.mark.parametrize("what", SHARED)
def test_what_all_share_changes_every_list(fit, what):
    ids, titles, rules, folded = IDS, None, {}, fit
    if what == "a new item":
        ids = [*IDS, "i99"]
    if what == "a new title":
        titles = dict.fromkeys(IDS, "the same")
    if what == "another fit":
        folded = replace(fit, fitted_in="another")
    if what == "repeats":
        rules = {"repeat": {"purchase": {"after_days": 3.0}}}
    if what == "chance":
        rules = {"exploration": {"positions": [2], "uniform_share": 0.1}}
    if what == "a pin that begins":
        rules = {
            "pins": [{"item": "i03", "position": 1, "period": {"first_day": TOMORROW.isoformat()}}]
        }
    known = features(DONE, users=FACTS, ids=ids, titles=titles, fit=fit.trained_on)
    found = changes(ranker(fit, **rules), ranker(fold_model(folded, known), TOMORROW, **rules))
    assert found.reasons == {SHARED[what]: N_USERS}
    assert len(found.changed) == N_USERS
    assert not len(found.unchanged)
    assert SHARED[what] in found.sentence()
