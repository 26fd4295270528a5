"""Sources against answers by hand and against their definitions, solved in full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources import (
    AlsSettings,
    CohortSettings,
    ContentSettings,
    EaseSettings,
    IalsSettings,
    LinearFilterSettings,
    LocalEaseSettings,
    LowPassSettings,
    NeighbourSettings,
    PopularSettings,
    RegionalSettings,
    RepeatSettings,
    SourceData,
)

# Three users; item 3 is nobody's.
DENSE = np.array([[1, 1, 0, 0], [0, 1, 2, 0], [1, 0, 0, 0]], dtype=np.float32)
TINY = SourceData(sparse.csr_matrix(DENSE))
ALL = np.arange(3)


def random_weights(seed: int, users: int = 30, items: int = 20, share: float = 0.3):
    rng = np.random.default_rng(seed)
    dense = (rng.random((users, items)) < share) * rng.uniform(0.5, 3, (users, items))
    return sparse.csr_matrix(dense.astype(np.float32))


def ials_loss(weights: np.ndarray, users: np.ndarray, items: np.ndarray, s: IalsSettings) -> float:
    """The paper's objective, term by term."""
    scores = users.astype(float) @ items.T.astype(float)
    loss = (weights * (scores - 1) ** 2).sum() + s.unobserved * (scores**2).sum()
    for axis, factors in ((1, users), (0, items)):
        frequency = weights.sum(axis=axis) + s.unobserved * weights.shape[axis]
        norms = (factors.astype(float) ** 2).sum(axis=1)
        loss += s.regularization * (frequency**s.frequency_exponent * norms).sum()
    return loss


@given(
    seed=st.integers(0, 1000),
    factors=st.integers(1, 12),
    nu=st.sampled_from([0.0, 0.5, 1.0]),
    unobserved=st.sampled_from([0.01, 0.5]),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_no_user_can_do_better_than_ials_gives_it(seed, factors, nu, unobserved):
    """Wide and tall systems alike: any step away from the users' factors raises the loss."""
    weights = random_weights(seed)
    s = IalsSettings(
        factors=factors,
        frequency_exponent=nu,
        unobserved=unobserved,
        regularization=0.1,
        iterations=2,
    )
    fitted = s.fit(SourceData(weights))
    dense = weights.toarray()
    best = ials_loss(dense, fitted.users, fitted.items, s)
    rng = np.random.default_rng(seed)
    for size in (0.3, -0.3, 0.03):
        moved = fitted.users + size * rng.standard_normal(fitted.users.shape)
        assert ials_loss(dense, moved, fitted.items, s) > best


def test_ials_equals_a_dense_least_squares_solution():
    weights, s = random_weights(3), IalsSettings(factors=6, iterations=3, regularization=0.05)
    fitted, dense = s.fit(SourceData(weights)), random_weights(3).toarray().astype(float)
    items = fitted.items.astype(float)
    penalty = s.regularization * (dense.sum(axis=1) + s.unobserved * dense.shape[1])
    for user, row in enumerate(dense):
        system = s.unobserved * items.T @ items + (items.T * row) @ items
        expected = np.linalg.solve(system + penalty[user] * np.eye(6), items.T @ row)
        np.testing.assert_allclose(fitted.users[user], expected, rtol=2e-3, atol=1e-5)


def test_damped_ials_is_ials_of_interactions_that_weigh_less_where_items_are_popular():
    weights = random_weights(3)
    counts = (weights.toarray() > 0).sum(axis=0).astype(float)
    damping = counts**-0.3 * counts.sum() / (counts**0.7).sum()
    by_hand = SourceData(sparse.csr_matrix(weights.toarray() * damping, dtype=np.float32))
    given = {"factors": 6, "iterations": 3, "regularization": 0.05}
    fitted = IalsSettings(item_exponent=0.3, **given).fit(SourceData(weights))
    expected = IalsSettings(**given).fit(by_hand)
    rows = np.arange(weights.shape[0])
    np.testing.assert_allclose(fitted.scores(rows), expected.scores(rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [IalsSettings, AlsSettings])
def test_factors_learn_a_checkerboard(settings):
    board = (np.add.outer(np.arange(20), np.arange(20)) % 2 == 0).astype(np.float32)
    held = np.zeros_like(board, dtype=bool)
    for user in range(20):
        held[user, (user + 2 * (user // 2)) % 20] = True
    train = SourceData(sparse.csr_matrix(np.where(held, 0, board)))
    scores = settings(factors=2, iterations=15).fit(train).scores(np.arange(20))
    assert scores[held].min() > 3 * np.abs(scores[board == 0]).max()


def test_als_equals_its_normal_equations_solved_in_full():
    """With confidence alpha * weight of an interaction, 1 of every other pair."""
    weights = random_weights(3)
    s = AlsSettings(factors=4, iterations=50, regularization=0.5, alpha=3.0)
    fitted, dense = s.fit(SourceData(weights)), weights.toarray().astype(float)
    users = fitted.users.astype(float)
    for item in range(dense.shape[1]):
        liked = dense[:, item] > 0
        confidence = np.where(liked, s.alpha * dense[:, item], 1.0)
        system = (users.T * confidence) @ users + s.regularization * np.eye(4)
        expected = np.linalg.solve(system, users.T @ (confidence * liked))
        apart = np.linalg.norm(fitted.items[item] - expected)
        assert apart <= 1e-3 * np.linalg.norm(expected)


def test_members_of_ials_are_averaged():
    data = SourceData(random_weights(6))
    alone = [IalsSettings(factors=3, iterations=2, seed=seed).fit(data) for seed in (4, 5)]
    both = IalsSettings(factors=3, iterations=2, seed=4, members=2).fit(data).scores(ALL)
    np.testing.assert_allclose(both, sum(each.scores(ALL) for each in alone) / 2, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ials_refuses_factors_that_are_no_numbers():
    with pytest.raises(InputDataError, match=r"regularization 1e-60.*not finite.*; raise"):
        IalsSettings(factors=30, regularization=1e-60).fit(SourceData(random_weights(1)))


@pytest.mark.parametrize("signal", [0.0, 0.4])
def test_the_linear_filter_is_its_formula(signal):
    weights = random_weights(1)
    found = LinearFilterSettings(user_exponent=0.7, item_exponent=0.4, signal_exponent=signal).fit(
        SourceData(weights)
    )
    dense = weights.toarray().astype(float)
    users, items = dense.sum(axis=1), dense.sum(axis=0)
    scaled = users[:, None] ** -0.7 * dense * items**-0.4
    expected = (dense * items**-signal) @ scaled.T @ scaled
    np.testing.assert_allclose(found.scores(np.arange(30)), expected, rtol=1e-4)


@pytest.mark.parametrize("sharpness", [0.0, 1.0])
def test_the_low_pass_filter_is_the_singular_vectors_product(sharpness):
    weights = random_weights(2)
    found = LowPassSettings(factors=5, item_exponent=0.4, sharpness=sharpness, power_iterations=30)
    dense = weights.toarray().astype(float)
    users, items = dense.sum(axis=1), dense.sum(axis=0)
    scaled = users[:, None] ** -0.5 * dense * items**-0.4
    _, values, right = np.linalg.svd(scaled)
    gains = (values[:5] / values[0]) ** sharpness
    expected = dense * items**-0.4 @ right[:5].T * gains @ right[:5] * items**0.4
    scores = found.fit(SourceData(weights)).scores(np.arange(30))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


def test_cosine_by_hand():
    scores = NeighbourSettings().fit(TINY).scores(ALL)
    # |item 0| = |item 1| = sqrt 2, |item 2| = 2: cos(0, 1) = 1/2, cos(1, 2) = 2 / (2 sqrt 2)
    half = np.sqrt(0.5)
    expected = [[0.5, 0.5, half, 0], [0.5, 2 * half, half, 0], [0, 0.5, 0, 0]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_only_the_nearest_neighbours_are_kept():
    similarities = NeighbourSettings(neighbours=1).fit(TINY).similarities.toarray()
    assert (similarities > 0).sum(axis=1).tolist() == [1, 1, 1, 0]
    assert similarities[1, 2] == pytest.approx(np.sqrt(0.5))


def test_rp3beta_by_hand():
    source = NeighbourSettings(similarity="rp3beta", walk_alpha=1.0, walk_beta=1.0)
    # From item 0 a step leads to users 0 and 2 (1/2 each); from user 0 on to item 1 by 1/2.
    assert source.fit(TINY).similarities[0, 1] == pytest.approx(0.25 / 2)


@pytest.mark.parametrize("similarity", ["tfidf", "bm25"])
def test_weighted_neighbours_agree_with_implicit(similarity):
    from implicit import nearest_neighbours as peers

    weights = random_weights(4)
    ours = NeighbourSettings(similarity=similarity, neighbours=20, bm25_k1=1.2, bm25_b=0.5)
    weigh = peers.tfidf_weight if similarity == "tfidf" else peers.bm25_weight
    extra = {} if similarity == "tfidf" else {"K1": 1.2, "B": 0.5}
    weighed = weigh(weights.T.tocsr(), **extra).tocsr().toarray()
    lengths = np.linalg.norm(weighed, axis=1)
    cosine = weighed @ weighed.T / np.outer(lengths, lengths)
    np.fill_diagonal(cosine, 0)
    found = ours.fit(SourceData(weights)).similarities.toarray()
    np.testing.assert_allclose(found, cosine, rtol=1e-4, atol=1e-6)


def test_ease_is_the_constrained_least_squares_solution():
    """Each column solves its ridge regression on the other columns."""
    weights, penalty = random_weights(5), 4.0
    found = EaseSettings(regularization=penalty).fit(SourceData(weights)).coefficients
    dense = weights.toarray().astype(float)
    for item in range(dense.shape[1]):
        others = np.delete(np.arange(dense.shape[1]), item)
        left = dense[:, others]
        expected = np.linalg.solve(
            left.T @ left + penalty * np.eye(len(others)), left.T @ dense[:, item]
        )
        np.testing.assert_allclose(found[others, item], expected, rtol=1e-3, atol=1e-5)
        assert found[item, item] == 0


def test_ease_leaves_the_tail_alone():
    scores = EaseSettings(max_items=2, regularization=1.0).fit(TINY).scores(ALL)
    assert (scores[:, [2, 3]] == 0).all()  # three items weigh 2: the first two are modelled
    assert scores[2, 1] > 0


def test_local_ease_over_all_items_is_ease():
    data = SourceData(random_weights(5, users=60))
    whole = EaseSettings(regularization=4.0, user_exponent=0.5).fit(data).coefficients
    local = LocalEaseSettings(regularization=4.0, user_exponent=0.5, neighbours=19).fit(data)
    np.testing.assert_allclose(local.similarities.toarray(), whole, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("exponent", "nearest"), [(0.5, 2), (0.0, 1)])
def test_local_ease_takes_the_nearest_items_alone(exponent, nearest):
    """Item 0 shares two users with item 1, whom all five have, and one with item 2, its only one.

    Cosines are 2 / sqrt(5) = .89 and 1 / sqrt(1), each over the same sqrt(2).
    """
    dense = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.float32)
    fitted = LocalEaseSettings(
        regularization=1.0, user_exponent=0.0, neighbours=1, neighbour_exponent=exponent
    ).fit(SourceData(sparse.csr_matrix(dense)))
    expected = np.zeros(3)
    expected[nearest] = {2: 1 / (1 + 1), 1: 2 / (5 + 1)}[nearest]
    np.testing.assert_allclose(fitted.similarities.toarray()[:, 0], expected, rtol=1e-6)


def test_popularity_decays_by_half_lives():
    ages = np.array([0, 10, 20, 0, 10], dtype=np.float32)  # (0,0) (0,1) (1,1) (1,2) (2,0)
    fitted = PopularSettings(half_life_days=10.0).fit(SourceData(TINY.weights, ages=ages))
    np.testing.assert_allclose(fitted.popularity, [1.5, 0.75, 2.0, 0.0])
    plain = PopularSettings().fit(TINY)
    np.testing.assert_allclose(plain.popularity, [2, 2, 2, 0])


def test_repeat_gives_a_user_only_its_own():
    ages = np.array([0, 10, 20, 10, 10], dtype=np.float32)
    scores = RepeatSettings(half_life_days=10.0).fit(SourceData(TINY.weights, ages=ages))
    expected = [[1, 0.5, 0, 0], [0, 0.25, 1, 0], [0.5, 0, 0, 0]]
    np.testing.assert_allclose(scores.scores(ALL), expected)
    np.testing.assert_array_equal(RepeatSettings().fit(TINY).scores(ALL), DENSE)


def test_repeat_damps_how_often_by_its_exponent():
    ages = np.array([0, 10, 20, 10, 10], dtype=np.float32)  # (0,0) (0,1) (1,1) (1,2) (2,0)
    aged = SourceData(sparse.csr_matrix(DENSE * 4), ages=ages)
    rooted = RepeatSettings(exponent=0.5).fit(aged).scores(ALL)
    np.testing.assert_allclose(rooted, np.sqrt(DENSE * 4), rtol=1e-6)
    late = RepeatSettings(exponent=0.0, half_life_days=10.0).fit(aged).scores(ALL)
    expected = [[1, 0.5, 0, 0], [0, 0.25, 0.5, 0], [0.5, 0, 0, 0]]
    np.testing.assert_allclose(late, expected, rtol=1e-6)


def test_popularity_that_comes_with_the_data_counts_where_nothing_decays():
    """It holds what users without a key did, too; a half-life of its own needs the pairs."""
    ages = np.zeros(5, dtype=np.float32)
    told = SourceData(TINY.weights, ages, popularity=np.array([0, 1, 0, 7], dtype=np.float32))
    found = PopularSettings().fit(told)
    np.testing.assert_array_equal(found.popularity, [0, 1, 0, 7])
    np.testing.assert_allclose(found.scores(ALL[:1]), [np.log1p([0, 1, 0, 7])], rtol=1e-6)
    decayed = PopularSettings(half_life_days=10.0).fit(told)
    np.testing.assert_array_equal(decayed.popularity, [2, 2, 2, 0])


def test_a_region_borrows_from_all_as_its_prior_says():
    data = SourceData(
        TINY.weights,
        popularity=np.array([6, 3, 1, 0], dtype=np.float32),
        regions=np.array([0, 1, -1], dtype=np.int32),
        regional=np.array([[0, 0, 4, 0], [0, 0, 0, 0]], dtype=np.float32),
    )
    scores = RegionalSettings(prior=4.0).fit(data).scores(ALL)
    overall = np.array([0.6, 0.3, 0.1, 0])
    north = (np.array([0, 0, 4, 0]) + 4 * overall) / 8
    # A region of which nothing is known, and no region, are like all.
    expected = np.log1p(4 * np.array([north, overall, overall]))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert np.argmax(scores[0]) == 2


def test_a_cohort_is_what_its_members_did_and_borrows_from_all():
    told = {
        "popularity": np.array([6, 3, 1, 0], dtype=np.float32),
        "cohorts": np.array([1, 1, -1], dtype=np.int32),  # nobody is of the first
    }
    overall = np.array([0.6, 0.3, 0.1, 0])
    members = TINY.weights[:2].toarray().sum(axis=0)
    both = (members + 4 * overall) / (members.sum() + 4)
    fitted = CohortSettings(prior=4.0).fit(SourceData(TINY.weights, **told))
    np.testing.assert_allclose(
        fitted.scores(ALL), np.log1p(4 * np.array([both, both, overall])), rtol=1e-6
    )
    np.testing.assert_allclose(np.expm1(fitted.popularity[0]), 4 * overall, rtol=1e-6)
    # Of whom no cohort is known but a region, that region's; and that only then.
    near = {
        "regions": np.array([0, -1, 0], dtype=np.int32),
        "regional": np.array([[0, 0, 4, 0]], dtype=np.float32),
    }
    north = (np.array([0, 0, 4, 0]) + 4 * overall) / 8
    scores = CohortSettings(prior=4.0).fit(SourceData(TINY.weights, **told, **near)).scores(ALL)
    np.testing.assert_allclose(scores, np.log1p(4 * np.array([both, both, north])), rtol=1e-6)


def test_what_trends_in_a_cohort_is_what_its_members_did_lately():
    ages = np.arange(5, dtype=np.float32) * 10
    cohorts = np.zeros(3, dtype=np.int32)
    data = SourceData(TINY.weights, ages, cohorts=cohorts)
    fitted = CohortSettings(prior=1e-6, half_life_days=10.0).fit(data)
    faded = TINY.weights.copy()
    faded.data = faded.data / 2 ** np.arange(5)
    shares = faded.toarray().sum(axis=0) / faded.sum()
    np.testing.assert_allclose(fitted.scores(ALL[:1]), [np.log1p(4 * shares)], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "learnt"),
    [
        (NeighbourSettings(neighbours=20), "similarities"),
        (EaseSettings(regularization=4.0), "coefficients"),
    ],
)
def test_a_profile_fades_in_what_speaks_for_the_user_and_not_in_what_is_learnt(settings, learnt):
    weights = random_weights(7)
    ages = np.random.default_rng(7).uniform(0, 40, weights.nnz).astype(np.float32)
    data = SourceData(weights, ages)
    plain = settings.fit(data)
    faded = settings.model_copy(update={"profile_half_life_days": 10.0}).fit(data)
    between = sparse.csr_matrix(getattr(plain, learnt)).toarray()
    np.testing.assert_array_equal(sparse.csr_matrix(getattr(faded, learnt)).toarray(), between)
    profile = weights.copy()
    profile.data = profile.data * 2 ** (-ages / 10)
    rows = np.arange(30)
    np.testing.assert_allclose(
        faded.scores(rows), profile.toarray() @ between, rtol=1e-4, atol=1e-5
    )


def test_content_reaches_an_item_that_nobody_has_touched():
    texts = ("red coat", "red hat", "blue shoe", "red coat")
    scores = ContentSettings().fit(SourceData(TINY.weights, texts=texts)).scores(ALL)
    assert scores[2, 3] == pytest.approx(1.0)  # user 2 has the other red coat alone
    assert scores[2, 3] > scores[2, 1] > scores[2, 2] == 0
