"""Sources, blend and re-ranker together: what is chosen, and what the lists promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.models.sources import SourceData
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates, gather
from recsys_batch.ranking.examples import Lesson
from recsys_batch.ranking.features import candidate_features, feature_names, make_history
from recsys_batch.ranking.lambdarank import fit_lambdarank
from recsys_batch.ranking.pointwise import fit_pointwise
from recsys_batch.ranking.reranker import RerankerSettings, read_trees, stored_trees
from recsys_batch.ranking.stack import StackSettings, fit_stack
from recsys_batch.ranking.trial import CONTENDERS, Figure, Trial, try_rerankers
from recsys_batch.ranking.validation import Wanted, wanted

USERS, ITEMS, GROUPS = 240, 60, 4
SMALL = RerankerSettings(depth=20, k=5, trees=30, leaves=7, min_leaf=20, learning_rate=0.2)
STACK = StackSettings(
    sources={
        "ials": {"kind": "ials", "factors": 8, "iterations": 5, "unobserved": 0.1},
        "neighbours": {"kind": "neighbours"},
        "popular": {"kind": "popular"},
    },
    per_source=20,
    blend={"k": 5, "max_trials": 60},
    reranker=SMALL,
)


@pytest.fixture(scope="module")
def data() -> SourceData:
    """Users of four groups, who mostly take the items of their own group."""
    rng = np.random.default_rng(8)
    own = np.arange(USERS)[:, None] % GROUPS == np.arange(ITEMS) % GROUPS
    dense = rng.random((USERS, ITEMS)) < np.where(own, 0.6, 0.03)
    return SourceData(sparse.csr_matrix(dense.astype(np.float32)))


def candidates_with(scores: np.ndarray) -> Candidates:
    items = np.tile(np.arange(scores.shape[1], dtype=np.int32), (len(scores), 1))
    ranks = np.argsort(np.argsort(-scores, axis=1), axis=1).astype(np.int32) + 1
    return Candidates(("one",), items, scores[None].astype(np.float32), ranks[None])


def problem(seed: int, *, popular_is_wanted: bool) -> tuple[Candidates, Wanted, sparse.csr_matrix]:
    """One noisy source; what is wanted depends on popularity, or on nothing."""
    rng = np.random.default_rng(seed)
    history = sparse.csr_matrix(
        (rng.random((USERS, ITEMS)) < np.linspace(0.02, 0.5, ITEMS)).astype(np.float32)
    )
    found = candidates_with(rng.standard_normal((USERS, ITEMS)))
    chance = np.linspace(0.0, 0.5, ITEMS) if popular_is_wanted else np.full(ITEMS, 0.25)
    hits = rng.random((USERS, ITEMS)) < chance
    return found, Wanted(hits, hits.sum(axis=1).astype(np.int64)), history


def test_what_learns_something_wins_its_trial_and_the_best_is_taken():
    found, targets, weights = problem(1, popular_is_wanted=True)
    history, rows = make_history(weights), np.arange(USERS)
    verdict = try_rerankers(Blend(("one",), (1.0,)), [Lesson(found, targets, rows, history)], SMALL)
    trial, reranker = verdict.trial, verdict.reranker
    assert set(trial.contenders) == {"LambdaRank", "gradient boosting"}
    for figure in trial.contenders.values():
        assert figure.won
        assert figure.ndcg > trial.blend + 0.1
        assert figure.low < figure.ndcg - trial.blend < figure.high
    assert trial.users == USERS
    best = max(trial.contenders, key=lambda name: trial.contenders[name].ndcg)
    assert trial.best == best
    assert reranker is not None
    again = CONTENDERS[best](
        reranker.blend, [Lesson(found, targets, rows, history).described(reranker.blend, 20)], SMALL
    )
    scores = reranker.scores(found, rows, history)
    assert scores.tobytes() == again.scores(found, rows, history).tobytes()


def test_what_has_nothing_to_learn_is_not_used():
    found, targets, weights = problem(2, popular_is_wanted=False)
    history, rows = make_history(weights), np.arange(USERS)
    verdict = try_rerankers(Blend(("one",), (1.0,)), [Lesson(found, targets, rows, history)], SMALL)
    trial, reranker = verdict.trial, verdict.reranker
    assert trial.best is None
    assert reranker is None


def test_of_those_shown_to_be_better_the_better_mean_is_taken():
    shown, better, unsure = (Figure(0.3, 0.1, 0.3), Figure(0.4, 0.1, 0.5), Figure(0.9, -0.1, 1.0))
    assert Trial(0.1, {"a": shown, "b": better, "c": unsure}, 9).best == "b"
    assert Trial(0.1, {"a": shown, "c": unsure}, 9).best == "a"
    assert Trial(0.1, {"c": unsure}, 9).best is None


def test_what_learnt_elsewhere_is_judged_by_the_same_users_and_taken_as_it_is():
    found, targets, weights = problem(1, popular_is_wanted=True)
    history, rows, blend = make_history(weights), np.arange(USERS), Blend(("one",), (1.0,))
    told, other, _ = problem(5, popular_is_wanted=True)
    elsewhere = fit_lambdarank(
        blend, [Lesson(told, other, rows, history).described(blend, 20)], SMALL
    )
    useless = replace(elsewhere, scale=-elsewhere.scale)
    lesson = Lesson(found, targets, rows, history)
    few = SMALL.model_copy(update={"trees": 1})  # for the others
    verdict = try_rerankers(
        blend, [lesson], few, ready={"elsewhere": elsewhere, "useless": useless}
    )
    trial = verdict.trial
    assert trial.best == "elsewhere"
    assert verdict.reranker is elsewhere
    scores = elsewhere.scores(found, rows, history)
    expected = np.sort(scores[np.isfinite(scores)])
    np.testing.assert_array_equal(np.sort(verdict.scored.scores), expected)
    assert verdict.scored.hits.sum() == targets.hits[np.isfinite(scores)].sum()
    assert not trial.contenders["useless"].won


@pytest.mark.parametrize("fit", [fit_lambdarank, fit_pointwise])
def test_the_score_is_blend_plus_correction_and_a_second_fit_gives_equal_bits(fit):
    found, targets, weights = problem(3, popular_is_wanted=True)
    history, rows, blend = make_history(weights), np.arange(USERS), Blend(("one",), (0.7,))
    examples = Lesson(found, targets, rows, history).described(blend, SMALL.depth)
    one, two = (fit(blend, [examples], SMALL) for _ in range(2))
    scores = one.scores(found, rows, history)
    assert scores.tobytes() == two.scores(found, rows, history).tobytes()
    ranked = np.isfinite(scores)
    assert (ranked.sum(axis=1) == SMALL.depth).all()
    corrections = one.corrections(found, rows, history)
    summed = blend.scores(found) + corrections
    np.testing.assert_array_equal(scores[ranked], summed[ranked])
    assert len(np.unique(corrections[ranked])) > 1
    kept = read_trees(stored_trees(one, "trees"), blend, n=5)
    assert kept.kind == one.kind
    assert kept.scores(found, rows, history).tobytes() == scores.tobytes()


@pytest.mark.parametrize("fit", [fit_lambdarank, fit_pointwise])
def test_a_re_ranker_needs_something_wanted(fit):
    found, targets, weights = problem(4, popular_is_wanted=True)
    nothing = Wanted(np.zeros_like(targets.hits), targets.relevant)
    lesson = Lesson(found, nothing, np.arange(USERS), make_history(weights))
    blend = Blend(("one",), (1.0,))
    with pytest.raises(ContractError, match="wanted and an unwanted"):
        fit(blend, [lesson.described(blend, 20)], SMALL)


def test_features_by_hand():
    weights = sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 0]], dtype=np.float32))
    items, ranks = np.array([[0, 2]], dtype=np.int32), np.array([[[0, 1]]], dtype=np.int32)
    found = Candidates(("one",), items, np.array([[[0.5, 2.0]]], dtype=np.float32), ranks)
    blended, places = found.scores[0], np.array([[1, 0]])
    made = candidate_features(found, blended, places, np.array([0]), make_history(weights))
    taste = (np.log(3) + np.log(2)) / 2
    expected = [
        [2.0, 1.5, 0.0, 1, 2.0, 0.0, 1.5, 0.0, np.log(3), 0.0, -taste],
        [0.5, 0.0, np.log(2), 0, 0.5, 1.5, 0.0, np.log(2), np.log(3), np.log(3), np.log(3) - taste],
    ]
    np.testing.assert_allclose(made[0, :, :11], expected, rtol=1e-6)
    assert len(feature_names(("one",))) == made.shape[2]


def test_scores_are_told_from_the_twentieth_of_the_candidates_there_are():
    scores = np.tile(np.arange(30, 0, -1, dtype=np.float32), (2, 1))
    found = candidates_with(scores)
    found.items[1, 12:] = -1
    history = make_history(sparse.csr_matrix(np.ones((2, 30), dtype=np.float32)))
    places = np.tile(np.arange(30), (2, 1))
    made = candidate_features(found, scores, places, np.arange(2), history)
    name = feature_names(("one",)).index("one over its 20th")
    np.testing.assert_array_equal(made[0, :, name], np.arange(19, -11, -1))
    np.testing.assert_array_equal(made[1, :12, name], np.arange(11, -1, -1))


@pytest.fixture(scope="module")
def stack(data):
    return fit_stack(data, STACK)


def test_lists_hold_distinct_items_that_are_not_excluded(data, stack):
    rows = np.arange(USERS)
    lists = stack.rank(rows, n=ITEMS, exclude=data.weights)
    for user in rows:
        own = lists[user][lists[user] >= 0]
        assert len(set(own.tolist())) == len(own) > 0
        assert not np.isin(own, data.weights[[user]].indices).any()
        assert (lists[user][len(own) :] == -1).all()


def test_the_taste_of_the_groups_is_found(data, stack):
    lists = stack.rank(np.arange(USERS), n=3, exclude=data.weights)
    right = lists % GROUPS == np.arange(USERS)[:, None] % GROUPS
    assert right[lists >= 0].mean() > 0.9


def test_a_second_fit_gives_the_same_lists(data, stack):
    again = fit_stack(data, STACK)
    rows = np.arange(USERS)
    assert again.blend == stack.blend
    np.testing.assert_array_equal(again.rank(rows, n=10), stack.rank(rows, n=10))


def test_no_more_users_than_allowed_choose(data):
    few = STACK.model_copy(update={"validation": STACK.validation.model_copy(update={"users": 30})})
    assert fit_stack(data, few).trial.users == 30


def test_given_items_are_ranked_and_no_others(stack):
    given = np.array([[2, 9, 30], [1, 7, 8]], dtype=np.int32)
    found, scores = stack.score(np.array([0, 5]), given=given)
    np.testing.assert_array_equal(found.items, given)
    assert np.isfinite(scores).all()


def test_the_blend_orders_where_trees_are_not_asked_for(data):
    plain = fit_stack(data, STACK.model_copy(update={"reranker": None}))
    assert plain.trial is None
    rows = np.arange(5)
    found, scores = plain.score(rows)
    np.testing.assert_array_equal(scores, plain.blend.scores(found))
    direct = gather(plain.sources, rows, per_source=STACK.per_source)
    np.testing.assert_array_equal(found.items, direct.items)
    assert wanted(direct.items, data.weights[rows]).relevant.sum() == data.weights[rows].nnz
