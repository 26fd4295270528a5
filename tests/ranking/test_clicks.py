"""Learning from clicks: which lists are made of impressions, and that bias is taken out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.clicks import LEAST, click_lists, fit_clicks
from recsys_batch.ranking.features import candidate_features, make_history
from recsys_batch.ranking.impressions import Impressions
from recsys_batch.ranking.position import Examination, examination
from recsys_batch.ranking.reranker import RerankerSettings
from recsys_batch.ranking.validation import Wanted, best_places, ndcg_each

USERS, ITEMS, SLOTS = 300, 40, 10
SETTINGS = RerankerSettings(depth=ITEMS, k=10, trees=40, leaves=7, min_leaf=50, learning_rate=0.1)
BLEND = Blend(("taste", "habit"), (0.2, 0.2))
FLAT = Examination(np.ones(SLOTS), 1)


def impressions(*rows: tuple[int, int, int, int, bool]) -> Impressions:
    """Of (user, item, request, position, clicked)."""
    users, items, requests, positions, clicked = np.array(rows, dtype=np.int32).reshape(-1, 5).T
    return Impressions(
        users, items, np.zeros_like(users), requests, positions, clicked.astype(bool)
    )


def two_sources(rng: np.random.Generator, users: int = USERS, items: int = ITEMS) -> Candidates:
    scores = rng.standard_normal((2, users, items)).astype(np.float32)
    rows = np.tile(np.arange(items, dtype=np.int32), (users, 1))
    ranks = np.argsort(np.argsort(-scores, axis=2), axis=2).astype(np.int32) + 1
    return Candidates(BLEND.sources, rows, scores, ranks)


def history_of(users: int = USERS, items: int = ITEMS):
    rng = np.random.default_rng(0)
    return make_history(sparse.csr_matrix((rng.random((users, items)) < 0.1).astype(np.float32)))


def test_each_click_is_a_list_of_what_was_not_clicked_beside_it():
    found, history = two_sources(np.random.default_rng(1), 3, 6), history_of(3, 6)
    log = impressions(
        (0, 4, 7, 1, False),
        (0, 2, 7, 2, True),
        (0, 5, 7, 3, True),
        (0, 1, 7, 4, False),
        (1, 3, 8, 1, True),  # nothing beside it
        (2, 0, 9, 1, False),  # nothing clicked
        (2, 1, 9, 2, False),
    )
    lists = click_lists(BLEND, found, np.arange(3), history, log, depth=6)
    assert lists.groups.tolist() == [3, 3]
    assert lists.positions.tolist() == [2, 3]
    assert lists.labels.tolist() == [True, False, False] * 2
    blended = BLEND.scores(found)
    expected = [blended[0, item] for item in (2, 4, 1, 5, 4, 1)]
    np.testing.assert_array_equal(lists.start, expected)
    places = best_places(blended, 6)
    told = candidate_features(found, blended, places, np.arange(3), history)
    for row, item in zip(lists.features, (2, 4, 1, 5, 4, 1), strict=True):
        np.testing.assert_array_equal(row, told[0, places[0].tolist().index(item)])


def test_what_is_no_candidate_and_who_is_not_asked_for_is_left_out():
    found, history = two_sources(np.random.default_rng(1), 3, 6), history_of(3, 6)
    best = best_places(BLEND.scores(found), 6)
    log = impressions(
        (2, int(best[1, 5]), 1, 1, True),  # below the depth
        (2, int(best[1, 0]), 1, 2, True),
        (2, int(best[1, 1]), 1, 3, False),
        (1, 0, 2, 1, True),
        (1, 1, 2, 2, False),
    )
    rows = np.array([0, 2])
    lists = click_lists(BLEND, found.of(np.array([0, 1])), rows, history, log, depth=5)
    assert lists.groups.tolist() == [2]
    assert lists.positions.tolist() == [2]


def test_without_a_click_there_is_nothing_to_learn():
    found, history = two_sources(np.random.default_rng(1), 3, 6), history_of(3, 6)
    log = impressions((0, 4, 7, 1, False), (0, 2, 7, 2, False))
    lists = click_lists(BLEND, found, np.arange(3), history, log, depth=6)
    with pytest.raises(ContractError, match="no request holds a clicked"):
        fit_clicks(BLEND, lists, FLAT, SETTINGS)


def logged(found: Candidates, rng: np.random.Generator, *, bias: float) -> Impressions:
    """What users click is by taste; where it stands is by habit; low slots are hardly looked at."""
    taste, habit = found.scores
    rows = []
    for request in range(6):
        order = np.argsort(-(habit + 0.5 * rng.standard_normal(habit.shape)), axis=1)[:, :SLOTS]
        liked = 1 / (1 + np.exp(2 - 2 * np.take_along_axis(taste, order, axis=1)))
        looked = rng.random(order.shape) < np.arange(1, SLOTS + 1) ** -bias
        clicked = looked & (rng.random(order.shape) < liked)
        users, slots = np.indices(order.shape)
        parts = (users, order, users * 6 + request, slots + 1, clicked)
        rows.append(np.stack([each.ravel() for each in parts]).T)
    return impressions(*map(tuple, np.concatenate(rows)))


def test_with_correction_the_true_order_is_recovered_better_than_without():
    rng = np.random.default_rng(3)
    found, history, rows = two_sources(rng), history_of(), np.arange(USERS)
    log = logged(found, rng, bias=1.5)
    seen = examination(log)
    np.testing.assert_allclose(seen.propensity, np.arange(1.0, SLOTS + 1) ** -1.5, atol=0.1)
    lists = click_lists(BLEND, found, rows, history, log, depth=ITEMS)
    strangers = two_sources(np.random.default_rng(4))  # nobody of whom anything was learnt
    best = np.argsort(-strangers.scores[0], axis=1)[:, :5]
    hits = np.zeros((USERS, ITEMS), dtype=bool)
    np.put_along_axis(hits, best, values=True, axis=1)
    truth = Wanted(hits, np.full(USERS, 5))

    def reached(by: Examination) -> float:
        told = fit_clicks(BLEND, lists, by, SETTINGS).scores(strangers, rows, history)
        return float(ndcg_each(told, truth, k=10).mean())

    corrected, naive = reached(seen), reached(FLAT)
    blend = float(ndcg_each(BLEND.scores(strangers), truth, k=10).mean())
    assert corrected > naive + 0.03
    assert corrected > blend + 0.1


def test_no_click_counts_more_than_the_clip_allows():
    rng = np.random.default_rng(3)
    found, history, rows = two_sources(rng), history_of(), np.arange(USERS)
    lists = click_lists(BLEND, found, rows, history, logged(found, rng, bias=1.0), depth=ITEMS)
    clipped = Examination(np.full(SLOTS, LEAST) + np.eye(SLOTS)[0] * (1 - LEAST), 1)
    beyond = Examination(np.where(np.arange(SLOTS) == 0, 1.0, 1e-9), 1)
    one, two = (fit_clicks(BLEND, lists, each, SETTINGS) for each in (clipped, beyond))
    assert one.booster.model_to_string() == two.booster.model_to_string()
