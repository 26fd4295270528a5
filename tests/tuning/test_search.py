"""Searches of logs whose right recipe is known, and what a search that was stopped remembers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recsys_batch.models.recipes import Recipe
from recsys_batch.models.sources import ContentSettings, PopularSettings, RepeatSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.calibration import probabilities
from recsys_batch.ranking.reranker import read_trees
from recsys_batch.tuning.cuts import temporal_cuts
from recsys_batch.tuning.spaces import spaces
from recsys_batch.tuning.trials import Trials
from tuning.logs import choose, films, groceries, log_of, news


def heaviest(recipe: Recipe) -> str:
    return max(recipe.weights, key=lambda name: recipe.weights[name])


def test_where_people_only_repeat_repeats_are_listed_and_weigh_most():
    made = choose(groceries(), 42)
    assert made.recipe.seen == "allow"
    assert heaviest(made.recipe) == "repeat"
    assert made.recipe.weights["repeat"] > 0.5
    assert set(made.recipe.sources) >= {"als", "popular"}  # what every model needs
    assert any("repeats are listed" in reason for reason in made.reasons)


def test_where_nobody_repeats_what_was_seen_is_left_out_and_taste_weighs_most():
    made = choose(films(), 70)
    assert made.recipe.seen == "exclude"
    assert heaviest(made.recipe) not in {"repeat", "popular", "trending"}
    assert any("repeats are left out" in reason for reason in made.reasons)


def test_where_items_live_a_day_the_horizon_is_one_and_popularity_fades_fast():
    made = choose(news(), 16)
    assert any("the horizon is one day" in reason for reason in made.reasons)
    assert made.recipe.popularity_half_life_days <= 1.0
    fades = made.recipe.sources.get("trending", made.recipe.sources["popular"])
    assert "trending" not in made.recipe.sources or fades.half_life_days <= 3.0


def test_sources_are_tried_that_the_log_can_feed():
    log = log_of([(0, 0, 0)], users=1, items=1)
    plain = spaces(log)
    assert {"regional", "content"} & set(plain) == set()
    fed = spaces(
        log_of(
            [(0, 0, 0)],
            users=1,
            items=1,
            texts=("a coat",),
            regions=np.array([1], dtype=np.int32),
            n_regions=2,
        )
    )
    assert set(fed) - set(plain) == {"regional", "content"}
    peers = {"cohorts": np.array([0, 1], dtype=np.int32), "n_cohorts": 2}
    assert set(spaces(log_of([(0, 0, 0)], users=2, items=1, **peers))) - set(plain) == {"cohort"}
    alone = {"cohorts": np.array([0, -1], dtype=np.int32), "n_cohorts": 1}
    assert set(spaces(log_of([(0, 0, 0)], users=2, items=1, **alone))) == set(plain)
    many = log_of([(0, 0, 0)], users=1, items=5000)
    assert set(plain) - set(spaces(many)) == {"ease"}
    assert "content" not in spaces(log_of([(0, 0, 0)], users=1, items=1, texts=(" ",)))


def test_every_value_of_a_space_is_one_that_its_source_takes():
    log = log_of([(0, 0, 0)], users=1, items=1, texts=("coat",), n_regions=2, n_cohorts=2)
    for space in spaces(log).values():
        for setting, values in space.axes.items():
            assert len(set(values)) == len(values)
            for value in values:
                type(space.start).model_validate({**space.start.model_dump(), setting: value})


def two_tastes() -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """Acts of users of two sides with tastes of their own, a new one of each on every day."""
    sides = np.arange(160, dtype=np.int32) % 2
    acts = []
    for user, side in enumerate(sides.tolist()):
        acts += [(user, side * 10 + (user // 2 + step) % 10 // 2, user // 4) for step in range(2)]
        acts.append((user, side * 10 + 9, user // 4 + 8))
    return acts, sides


def test_newcomers_get_what_serves_newcomers_best():
    acts, regions = two_tastes()
    log = log_of(acts, users=160, items=20, regions=regions, n_regions=2)
    sources = {"near": {"kind": "regional", "prior": 10.0}}
    made = choose(log, 40, model__sources=sources, evaluation__holdout_days=5)
    assert made.recipe.newcomers == "near"
    assert any(reason.startswith("newcomers get near") for reason in made.reasons)


def test_cohorts_have_lists_only_where_these_serve_newcomers_better():
    acts, cohorts = two_tastes()
    log = log_of(acts, users=160, items=20, cohorts=cohorts, n_cohorts=2)
    sources = {"peers": {"kind": "cohort", "prior": 10.0}}
    made = choose(log, 40, model__sources=sources, evaluation__holdout_days=5)
    assert made.recipe.newcomers == "peers"
    assert made.recipe.tells_cohorts
    blind = log_of(acts, users=160, items=20, cohorts=np.zeros(160, dtype=np.int32), n_cohorts=2)
    found = choose(blind, 40, model__sources=sources, evaluation__holdout_days=5).recipe
    assert not found.tells_cohorts
    # Left to itself, the search lets newcomers choose the source's settings.
    reasons = choose(log, 40, evaluation__holdout_days=5).reasons
    assert any(reason.startswith("cohort alone, for newcomers") for reason in reasons)


def test_trees_are_kept_only_where_they_were_shown_to_be_better():
    sources = {"near": {"kind": "neighbours"}, "again": {"kind": "repeat"}}
    made = choose(films(), 70, model__sources=sources, model__rerank=True)
    (told,) = [reason for reason in made.reasons if reason.startswith("re-ranked")]
    trees = made.recipe.trees
    for name in ("by the weights alone", "LambdaRank", "gradient boosting"):
        assert f"{name} 0." in told
    assert told.endswith(f": {'none' if trees is None else trees.name} is taken")
    tried = {each["settings"]["kind"]: each for each in made.trials if "ndcg_blend" in each}
    assert set(tried) == {"LambdaRank", "gradient boosting"}
    assert all(each["low"] <= each["ndcg"] - each["ndcg_blend"] for each in tried.values())
    if trees is not None:
        names = tuple(made.recipe.weights)
        assert read_trees(trees, Blend(names, tuple(made.recipe.weights.values())), n=10)
    without = choose(films(), 70, model__sources=sources, model__rerank=False)
    assert without.recipe.trees is None
    assert without.recipe.weights == made.recipe.weights


@pytest.mark.parametrize("rerank", [True, False])
def test_scores_are_calibrated_by_what_validation_users_wanted(rerank):
    sources = {"near": {"kind": "neighbours"}, "again": {"kind": "repeat"}}
    made = choose(films(), 70, model__sources=sources, model__rerank=rerank)
    calibration = made.recipe.calibration
    assert calibration is not None
    (told,) = [reason for reason in made.reasons if reason.startswith("scores are calibrated")]
    assert f"({calibration.kind})" in told
    likely = probabilities(calibration, np.linspace(-3, 3, 7))
    assert (np.diff(likely) >= 0).all()
    assert 0 <= likely[0] < likely[-1] <= 1
    again = choose(films(), 70, model__sources=sources, model__rerank=rerank)
    assert again.recipe.text() == made.recipe.text()


def test_what_few_wanted_is_not_calibrated():
    acts = [(user, item, day) for user in range(31) for item, day in ((0, 0), (1 + user, 12))]
    sources = {"near": {"kind": "neighbours"}}
    made = choose(log_of(acts, users=31, items=40), 14, model__sources=sources)
    assert made.recipe.calibration is None
    assert "scores are not calibrated by 0 wanted candidates" in made.reasons


@pytest.fixture(scope="module")
def cuts():
    return temporal_cuts(groceries(), until=42, days=7, users=60, seed=1)


def test_a_trial_is_the_mean_over_the_users_of_all_cuts(cuts):
    trials = Trials(k=10, journal=None)
    found = trials.values(RepeatSettings(), (None, None), cuts)
    sums = [cut.ndcg(RepeatSettings().fit(cut.data(None, None)), k=10) for cut in cuts]
    users = sum(len(cut.rows) for cut in cuts)
    assert found == pytest.approx(tuple(np.sum(sums, axis=0) / users))
    (told,) = trials.made
    assert told["users"] == users
    assert (told["ndcg_repeats"], told["ndcg_new"]) == found
    assert told["settings"]["kind"] == "repeat"


def test_a_race_is_won_by_what_is_better_and_given_up_without_hope(cuts):
    assert len(cuts) > 1
    trials = Trials(k=10, journal=None)
    popular, again, half = PopularSettings(), RepeatSettings(), (None, None)
    assert trials.race(again, popular, half, cuts, way=0)
    assert not trials.race(popular, again, half, cuts, way=0)
    assert not trials.race(again, again, half, cuts, way=0)  # no better than itself
    by_kind = {trial["settings"]["kind"]: trial["users"] for trial in trials.made}
    assert by_kind["popular"] == len(cuts[0].rows)
    assert by_kind["repeat"] == sum(len(cut.rows) for cut in cuts)


def test_what_a_log_cannot_feed_is_worth_nothing(cuts):
    trials = Trials(k=10, journal=None)
    assert trials.values(ContentSettings(), (None, None), cuts) == (0.0, 0.0)


def test_a_search_that_was_killed_tries_nothing_twice(cuts, tmp_path):
    journal = tmp_path / "tuning" / "r.jsonl"
    first = Trials(k=10, journal=journal)
    found = first.values(RepeatSettings(), (None, None), cuts)
    kept = journal.read_text()
    assert len(kept.splitlines()) == len(cuts)
    journal.write_text(kept + '["cut off in the middle", 0.')
    again = Trials(k=10, journal=journal)
    assert again.values(RepeatSettings(), (None, None), cuts) == found
    assert again.made == first.made
    other = again.values(RepeatSettings(exponent=0.5), (None, None), cuts)
    assert (
        Trials(k=10, journal=journal).values(RepeatSettings(exponent=0.5), (None, None), cuts)
        == other
    )
    known = [json.loads(line) for line in kept.splitlines()]
    known[0][1] = 0.0
    journal.write_text("".join(json.dumps(each) + "\n" for each in known))
    told = Trials(k=10, journal=journal).values(RepeatSettings(), (None, None), cuts)
    assert told[0] < found[0]  # it is what the journal says


def test_a_search_without_time_keeps_what_it_began_with_and_says_so():
    made = choose(groceries(), 42, tuning__max_seconds=1e-9)
    assert any(reason.startswith("the search was stopped after") for reason in made.reasons)
    starts = spaces(groceries())
    for name, settings in made.recipe.sources.items():
        assert settings == starts[name].start


def test_newcomers_choose_no_longer_than_there_is_time():
    acts, cohorts = two_tastes()
    log = log_of(acts, users=160, items=20, cohorts=cohorts, n_cohorts=2)
    made = choose(log, 40, tuning__max_seconds=1e-9, evaluation__holdout_days=5)
    assert any(reason.startswith("the search was stopped after") for reason in made.reasons)
    (told,) = (each for each in made.reasons if each.startswith("cohort alone, for newcomers"))
    assert told.endswith("with prior 1000.0, half_life_days None")
