"""What every source promises of a fit that is kept while users and items come and act."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.sources.test_contract import IMPERSONAL, each_source, settings
from recsys_batch.models.sources import SourceData
from recsys_batch.models.sources.interface import Fold
from recsys_batch.ranking.standard import scorer

USERS, ITEMS = 60, 40
NEW_USERS, NEW_ITEMS = 9, (0, 17, 42)  # columns of the items that come later
FACTORS = {"als", "ials", "damped ials"}


def some_data(rng: np.random.Generator, users: int, items: int) -> SourceData:
    dense = (rng.random((users, items)) < 0.2) * rng.integers(1, 4, (users, items))
    weights = sparse.csr_matrix(dense.astype(np.float32))
    words = ("red", "blue", "green", "coat", "hat", "shoe")
    regional = rng.uniform(0, 5, (3, items)).astype(np.float32)
    return SourceData(
        weights,
        rng.uniform(0, 90, weights.nnz).astype(np.float32),
        tuple(" ".join(rng.choice(words, 3)) for _ in range(items)),
        regional.sum(axis=0) + 1,
        rng.integers(-1, 3, users).astype(np.int32),
        regional,
        np.arange(users, dtype=np.int32) % 5 - 1,
    )


@pytest.fixture
def data() -> SourceData:
    return some_data(np.random.default_rng(5), USERS, ITEMS)


PLACES = np.delete(np.arange(ITEMS + len(NEW_ITEMS)), NEW_ITEMS)


def later(data: SourceData, seed: int) -> SourceData:
    """Every second user acts again, others come, three items are new to everybody."""
    rng = np.random.default_rng(seed)
    items = len(PLACES) + len(NEW_ITEMS)
    more = some_data(rng, USERS + NEW_USERS, items)
    acting = more.weights.toarray()
    ages = sparse.csr_matrix((-more.ages / 10, more.weights.indices, more.weights.indptr))
    ages.resize(acting.shape)
    old = np.zeros_like(acting)
    old[:USERS, PLACES] = data.weights.toarray()
    old_ages = np.zeros_like(acting)
    old_ages[:USERS, PLACES] = sparse.csr_matrix(
        (data.ages, data.weights.indices, data.weights.indptr), data.weights.shape
    ).toarray()
    acting[:USERS:2] = 0
    weights = sparse.csr_matrix(old + acting)
    latest = np.where(acting > 0, ages.toarray(), old_ages)
    texts = np.array(more.texts, dtype=object)
    texts[PLACES] = data.texts
    popularity, regional = np.zeros(items, np.float32), np.zeros((3, items), np.float32)
    popularity[PLACES], regional[:, PLACES] = data.popularity, data.regional
    segments = (
        np.concatenate([mine, others[USERS:]])
        for mine, others in ((data.regions, more.regions), (data.cohorts, more.cohorts))
    )
    regions, cohorts = segments
    return replace(
        more,
        weights=weights,
        ages=latest[weights.nonzero()].astype(np.float32),
        texts=tuple(texts),
        popularity=popularity,
        regional=regional,
        regions=regions,
        cohorts=cohorts,
    )


def told(source, rows: np.ndarray, items: int) -> tuple[bytes, bytes]:
    """A source's lists of some users and its standard scores of all items, as lists see them."""
    best, standard = scorer(source, 10).rank(rows, None)
    every = np.tile(np.arange(items, dtype=np.int32), (len(rows), 1))
    return best.tobytes(), standard(every).tobytes()


@each_source
def test_folding_in_what_was_fitted_scores_as_the_fit_does(name, data):
    fitted = settings(name).fit(data)
    folded = settings(name).refold(fitted, data, Fold(np.arange(ITEMS)))
    rows = np.arange(USERS)
    one, other = folded.scores(rows), fitted.scores(rows)
    if name == "als":  # whose last step is that of the items
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99
    else:
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@each_source
def test_a_user_is_scored_alike_to_the_bit_whatever_others_do(name, data):
    fitted = settings(name).fit(data)
    one, two = later(data, seed=1), later(data, seed=2)
    two = replace(two, texts=one.texts)
    same = np.arange(0, USERS, 2)  # of the old users these did nothing
    if name in FACTORS:  # whose new items have factors that depend on who took them
        two = replace(two, weights=without(two.weights, NEW_ITEMS), ages=None)
        one = replace(one, weights=without(one.weights, NEW_ITEMS), ages=None)
    found = [
        told(settings(name).refold(fitted, each, Fold(PLACES)), rows, ITEMS + 3)
        for each, rows in ((one, same), (two, same[::-1]))
    ]
    # In another order, among others and alone.
    best, scores = (
        np.frombuffer(found[1][0], "i4").reshape(30, -1)[::-1],
        np.frombuffer(found[1][1], "f4").reshape(30, -1)[::-1],
    )
    assert found[0] == (best.tobytes(), scores.tobytes())
    alone = told(settings(name).refold(fitted, one, Fold(PLACES)), same[7:8], ITEMS + 3)
    assert alone[1] == scores[7].tobytes()


def without(weights: sparse.csr_matrix, items: tuple[int, ...]) -> sparse.csr_matrix:
    dense = weights.toarray()
    dense[:, list(items)] = 0
    return sparse.csr_matrix(dense)


AGAIN = [0, 3, 8, USERS + 1]  # act on a further day; one had done nothing since the fit


def acted_again(data: SourceData) -> SourceData:
    """Some take an item again, one of them a new one; all else is as it was."""
    weights, ages = data.weights.tolil(), data.weights.copy()
    ages.data = data.ages
    ages = ages.tolil()
    for user, item in zip(AGAIN, (5, NEW_ITEMS[1], 9, NEW_ITEMS[2]), strict=True):
        weights[user, item] += 2.0
        ages[user, item] = -9.0
    return replace(data, weights=weights.tocsr(), ages=ages.tocsr().data.astype(np.float32))


@each_source
def test_who_did_nothing_is_taken_over_and_all_is_as_if_everybody_were_solved_for(name, data):
    fitted = settings(name).fit(data)
    today, tomorrow = later(data, seed=1), acted_again(later(data, seed=1))
    earlier = settings(name).refold(fitted, today, Fold(PLACES))
    rows = np.arange(USERS + NEW_USERS)
    rows[AGAIN] = -1
    taken = settings(name).refold(fitted, tomorrow, Fold(PLACES, earlier, rows))
    altogether = settings(name).refold(fitted, tomorrow, Fold(PLACES))
    every = np.arange(USERS + NEW_USERS)
    assert told(taken, every, ITEMS + 3) == told(altogether, every, ITEMS + 3)


@pytest.mark.parametrize("name", sorted(FACTORS))
def test_who_did_nothing_is_not_solved_for(name, data):
    """What an earlier fold says of them stands, whatever it is."""
    fitted = settings(name).fit(data)
    earlier = settings(name).refold(fitted, data, Fold(np.arange(ITEMS)))
    other = replace(earlier, users=np.full_like(earlier.users, 7.0))
    acting, rows = AGAIN[:3], np.arange(USERS)
    rows[acting] = -1
    found = settings(name).refold(fitted, data, Fold(np.arange(ITEMS), other, rows))
    idle = np.delete(np.arange(USERS), acting)
    assert (found.users[idle] == 7.0).all()
    assert (found.users[acting] == earlier.users[acting]).all()


@each_source
def test_known_items_score_for_idle_users_as_before(name, data):
    fitted = settings(name).fit(data)
    folded = settings(name).refold(fitted, later(data, seed=1), Fold(PLACES))
    idle = np.arange(0, USERS, 2)
    known = folded.scores(idle)[:, PLACES]
    if name in FACTORS:
        fitted = settings(name).refold(fitted, data, Fold(np.arange(ITEMS)))
    # What iALS penalises a user by grows with the catalogue.
    np.testing.assert_allclose(known, fitted.scores(idle), rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("name", sorted(FACTORS))
def test_a_new_item_is_close_to_who_took_it(name, data):
    more = later(data, seed=1)
    folded = settings(name).refold(settings(name).fit(data), more, Fold(PLACES))
    new = NEW_ITEMS[1]
    took = more.weights[:, [new]].toarray().ravel() > 0
    scores = folded.scores(np.arange(USERS + NEW_USERS))[:, new]
    assert took.sum() > 3
    assert scores[took].mean() > scores[~took].mean() + scores.std()


@each_source
def test_a_new_user_is_scored_by_what_they_did(name, data):
    more = later(data, seed=1)
    folded = settings(name).refold(settings(name).fit(data), more, Fold(PLACES))
    scores = folded.scores(np.arange(USERS, USERS + NEW_USERS))
    assert np.isfinite(scores).all()
    if name not in IMPERSONAL:
        assert (scores.std(axis=1) > 0).sum() >= NEW_USERS - 1  # one may like unmodelled items


@each_source
def test_what_is_kept_is_not_changed(name, data):
    fitted = settings(name).fit(data)
    before = fitted.scores(np.arange(USERS)).tobytes()
    settings(name).refold(fitted, later(data, seed=1), Fold(PLACES))
    assert fitted.scores(np.arange(USERS)).tobytes() == before
