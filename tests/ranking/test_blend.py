"""Merged candidates, the blend of their sources, and the search for its weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.evaluation.accuracy import ndcg
from recsys_batch.models.sources import FactorScores, SourceData
from recsys_batch.ranking.best import best_items
from recsys_batch.ranking.blend import Blend, BlendSettings, fit_blend
from recsys_batch.ranking.candidates import gather
from recsys_batch.ranking.validation import (
    ValidationSettings,
    best_places,
    cut_validation,
    ndcg_each,
    wanted,
)

USERS, ITEMS = 50, 30


class Table:
    """A source that has its scores written down."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores.astype(np.float32)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return self._scores[rows]


def random_sources(seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal((size, 4)).astype(np.float32) for size in (USERS, ITEMS)]
    return {
        "dense": Table(rng.normal(3.0, 2.0, (USERS, ITEMS))),
        "factors": FactorScores(*factors),
        "coarse": Table(rng.integers(0, 3, (USERS, ITEMS))),
    }


def random_truth(seed: int, share: float = 0.15) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix((rng.random((USERS, ITEMS)) < share).astype(np.float32))


def test_candidates_are_the_union_of_the_sources_lists():
    sources, rows = random_sources(1), np.array([4, 0, 17])
    found = gather(sources, rows, per_source=5)
    for user, row in enumerate(rows):
        lists = [best_items(each.scores(np.array([row])), 5)[0] for each in sources.values()]
        own = found.items[user][found.items[user] >= 0]
        assert own.tolist() == sorted(set(np.concatenate(lists).tolist()))
        for source, best in enumerate(lists):
            ranks = dict(zip(own, found.ranks[source, user], strict=False))
            assert {item: rank for item, rank in ranks.items() if rank} == {
                item: place for place, item in enumerate(best.tolist(), 1)
            }


def test_scores_are_standard_scores_over_all_items():
    sources, rows = random_sources(2), np.arange(USERS)
    found = gather(sources, rows, per_source=4)
    for source, each in enumerate(sources.values()):
        scores = each.scores(rows).astype(float)
        standard = (scores - scores.mean(axis=1)[:, None]) / scores.std(axis=1)[:, None]
        expected = np.take_along_axis(standard, np.maximum(found.items, 0), axis=1)
        expected[found.items < 0] = 0
        np.testing.assert_allclose(found.scores[source], expected, rtol=1e-3, atol=1e-4)


def test_excluded_items_are_no_candidates_and_a_flat_source_says_nothing():
    sources = {"flat": Table(np.full((USERS, ITEMS), 7.0)), "dense": random_sources(3)["dense"]}
    seen = random_truth(3)
    found = gather(sources, np.arange(USERS), per_source=ITEMS, exclude=seen)
    for user in range(USERS):
        own = found.items[user][found.items[user] >= 0]
        assert own.tolist() == np.flatnonzero(seen[[user]].toarray()[0] == 0).tolist()
    assert (found.scores[0] == 0).all()


def test_users_are_gathered_alike_alone_and_in_blocks():
    sources = random_sources(4)
    rows = np.tile(np.arange(USERS), 6)  # more than a block
    found = gather(sources, rows, per_source=6)
    alone = gather(sources, rows[299:300], per_source=6)
    width = alone.items.shape[1]
    np.testing.assert_array_equal(found.items[299, :width], alone.items[0])
    assert (found.items[299, width:] == -1).all()
    np.testing.assert_array_equal(found.ranks[:, 299, :width], alone.ranks[:, 0])
    np.testing.assert_allclose(found.scores[:, 299, :width], alone.scores[:, 0], atol=1e-5)


@given(values=st.lists(st.integers(0, 5), min_size=1, max_size=30), n=st.integers(1, 35))
def test_the_best_places_are_those_of_a_full_sort(values, n):
    scores = np.array([values], dtype=np.float32)
    assert best_places(scores, n)[0].tolist() == fully_sorted(scores[0], n)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 60)),
    n=st.integers(1, 9),
    levels=st.integers(1, 40),
    masks=st.tuples(st.booleans(), st.booleans()),
)
def test_the_best_items_are_those_of_a_full_sort_of_what_may_be_taken(
    seed, shape, n, levels, masks
):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels, shape).astype(np.float32)
    scores[rng.random(shape) < 0.1] = -np.inf
    exclude = sparse.csr_matrix((rng.random(shape) < 0.3).astype(np.float32)) if masks[0] else None
    allow = rng.random(shape[1]) < 0.6 if masks[1] else None
    open_ = scores.copy()
    if exclude is not None:
        open_[exclude.toarray() > 0] = -np.inf
    if allow is not None:
        open_[:, ~allow] = -np.inf
    found = best_items(scores, n, exclude=exclude, allow=allow)
    for own, listed in zip(open_, found.tolist(), strict=True):
        expected = [item for item in fully_sorted(own, n) if own[item] > -np.inf]
        assert listed == expected + [-1] * (n - len(expected))


def fully_sorted(scores: np.ndarray, n: int) -> list[int]:
    return np.lexsort((np.arange(len(scores)), -scores))[:n].tolist()


def test_parts_add_up_to_the_score():
    found = gather(random_sources(5), np.arange(USERS), per_source=5)
    blend = Blend(found.sources, (1.0, 0.4, -0.2))
    scores = blend.scores(found)
    there = found.items >= 0
    np.testing.assert_allclose(blend.parts(found).sum(axis=0)[there], scores[there])
    assert (scores[~there] == -np.inf).all()


def test_a_blend_of_other_sources_is_refused():
    found = gather(random_sources(5), np.arange(3), per_source=5)
    with pytest.raises(ContractError, match="candidates of dense, factors, coarse"):
        Blend(("one", "two", "three"), (1.0, 1.0, 1.0)).scores(found)


@given(seed=st.integers(0, 10_000), trials=st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_on_validation_a_blend_is_never_below_its_best_source(seed, trials):
    found = gather(random_sources(seed), np.arange(USERS), per_source=8)
    targets = wanted(found.items, random_truth(seed))
    fitted = fit_blend(found, targets, BlendSettings(k=5, max_trials=trials))
    assert fitted.validation >= max(fitted.singles.values())
    again = ndcg_each(fitted.blend.scores(found), targets, k=5).mean()
    assert again == pytest.approx(fitted.validation)
    assert fitted.trials <= max(trials, len(found.sources))


def test_the_search_finds_that_two_halves_of_the_truth_belong_together():
    """Each source knows half of what is wanted, and a third knows nothing."""
    rng = np.random.default_rng(1)
    truth = random_truth(0, share=0.3)
    half = rng.random((USERS, ITEMS)) < 0.5
    sources = {
        "one": Table(truth.toarray() * half + rng.normal(0, 0.01, half.shape)),
        "other": Table(truth.toarray() * ~half + rng.normal(0, 0.01, half.shape)),
        "noise": Table(rng.standard_normal(half.shape)),
    }
    found = gather(sources, np.arange(USERS), per_source=ITEMS)
    fitted = fit_blend(found, wanted(found.items, truth), BlendSettings(k=10))
    assert fitted.validation > 0.99 > 1.3 * max(fitted.singles.values())
    assert abs(fitted.blend.weights[2]) < 0.3 * min(fitted.blend.weights[:2])


def test_ndcg_is_that_of_the_evaluation():
    found = gather(random_sources(6), np.arange(USERS), per_source=10)
    truth = random_truth(6)
    targets = wanted(found.items, truth)
    scores = found.scores[0].copy()
    scores[found.items < 0] = -np.inf
    top = best_places(scores, 7)
    lists = np.take_along_axis(found.items, top, axis=1)
    hits = np.array([np.isin(own, row.indices) for own, row in zip(lists, truth, strict=True)])
    expected = ndcg(hits, np.diff(truth.indptr).astype(np.int64), k=7)
    found_ndcg = ndcg_each(scores, targets, k=7)
    np.testing.assert_allclose(found_ndcg, expected[~np.isnan(expected)])


@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.9))
@settings(max_examples=30, deadline=None)
def test_validation_takes_its_share_of_each_user_and_loses_nothing(seed, share):
    weights = random_truth(seed, share=0.4)
    weights.data[:] = np.arange(1, weights.nnz + 1)
    data = SourceData(weights, ages=weights.data * 2)
    kept, cut = cut_validation(data, ValidationSettings(share=share, seed=seed))
    assert ((kept.weights + cut) != weights).nnz == 0
    assert kept.weights.multiply(cut).nnz == 0
    np.testing.assert_array_equal(kept.ages, kept.weights.data * 2)
    counts = np.diff(weights.indptr)
    np.testing.assert_array_equal(np.diff(cut.indptr), np.floor(counts * share))


def test_users_who_can_spare_one_give_one_and_none_gives_more_than_allowed():
    weights = sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=np.float32))
    settings = ValidationSettings(share=0.9, at_least=1, at_most=1)
    _, cut = cut_validation(SourceData(weights), settings)
    assert np.diff(cut.indptr).tolist() == [1, 0, 1]


def test_given_candidates_are_scored_as_they_are():
    sources, rows = random_sources(8), np.array([3, 9])
    given = np.array([[0, 2, 5], [7, -1, -1]], dtype=np.int32)
    found = gather(sources, rows, per_source=ITEMS, given=given)
    np.testing.assert_array_equal(found.items, given)
    everything = gather(sources, rows, per_source=ITEMS)
    np.testing.assert_array_equal(found.ranks[:, 0], everything.ranks[:, 0, [0, 2, 5]])
    np.testing.assert_allclose(found.scores[:, 1, 0], everything.scores[:, 1, 7], rtol=1e-5)
    assert (gather(sources, rows, per_source=2, given=given).ranks <= 2).all()


def test_without_a_relevant_item_there_is_nothing_to_fit():
    found = gather(random_sources(7), np.arange(USERS), per_source=3)
    nothing = wanted(found.items, sparse.csr_matrix((USERS, ITEMS), dtype=np.float32))
    with pytest.raises(ContractError, match="no user has a relevant item"):
        fit_blend(found, nothing, BlendSettings())
