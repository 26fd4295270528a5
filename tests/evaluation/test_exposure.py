from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.evaluation import beyond, exposure

from .cases import make_lists, make_truth, score


def test_even_exposure() -> None:
    counts = exposure.exposures(make_lists([[0, 1], [2, 3]]), k=2, n_items=4)
    assert counts.tolist() == [1, 1, 1, 1]
    assert exposure.coverage(counts) == 1.0
    assert exposure.gini(counts) == pytest.approx(0.0)
    assert exposure.entropy(counts) == pytest.approx(2.0)  # log2 of four items


def test_one_item_for_everybody() -> None:
    counts = exposure.exposures(make_lists([[2, 0], [2, 1]]), k=1, n_items=4)
    assert counts.tolist() == [0, 0, 2, 0]
    assert exposure.coverage(counts) == 0.25
    assert exposure.gini(counts) == pytest.approx(0.75)  # (n - 1) / n
    assert exposure.entropy(counts) == pytest.approx(0.0)


def test_uneven_exposure_by_hand() -> None:
    # Ascending 0, 1, 3: ((-2)(0) + (0)(1) + (2)(3)) / (3 * 4); shares 1/4 and 3/4.
    counts = np.array([3, 0, 1])
    assert exposure.gini(counts) == pytest.approx(0.5)
    assert exposure.entropy(counts) == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))


def test_nothing_shown() -> None:
    lists = make_lists([[], []], 3)
    counts = exposure.exposures(lists, k=3, n_items=2)
    assert exposure.coverage(counts) == 0.0
    assert np.isnan(exposure.gini(counts))
    assert np.isnan(exposure.entropy(counts))
    assert exposure.coverage_interval(lists, counts, k=3, confidence=0.95).high == 0.0


def test_coverage_interval_has_the_spread_of_a_poisson_bootstrap() -> None:
    rng = np.random.default_rng(0)
    lists = np.argsort(rng.exponential(size=(120, 90)) * np.arange(1, 91), axis=1)[:, :4]
    lists = lists.astype(np.int32)
    counts = exposure.exposures(lists, k=4, n_items=90)
    found = exposure.coverage_interval(lists, counts, k=4, confidence=0.95)
    shown = np.zeros((120, 90))
    np.put_along_axis(shown, lists, 1.0, axis=1)
    drawn = ((rng.poisson(1.0, size=(20_000, 120)) @ shown) > 0).mean(axis=1)
    assert found.value == exposure.coverage(counts)
    assert (found.high - found.value) / 1.959964 == pytest.approx(drawn.std(), rel=0.03)


def test_self_information_by_hand() -> None:
    # Of 8: half, a quarter, an eighth; nobody's item counts as one user's.
    assert beyond.self_information(np.array([4, 2, 1, 0]), total=8).tolist() == [1, 2, 3, 3]
    # By default popularity sums to one; below one, the smallest weight stands for nobody's.
    assert beyond.self_information(np.array([0.5, 0.25, 0.25, 0])).tolist() == [1, 2, 2, 2]
    assert beyond.self_information(np.zeros(2)).tolist() == [0, 0]


def test_unknown_categories_never_look_diverse() -> None:
    categories = np.array([0, 1, -1, -5])
    lists = make_lists([[0, 1, 2], [2, 3], [0], [], [0, 2, 3]], 3)
    found = beyond.diversity(lists, categories, k=3)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, np.nan, 2 / 3])


def test_popularity_list_has_no_serendipity() -> None:
    popularity = np.array([9, 7, 5, 3])
    lists = make_lists([[0, 1, 2, 3]])
    scores = score(lists, make_truth([[0, 1, 2, 3]], 4), item_popularity=popularity)
    assert scores.means["serendipity"].value == 0.0


def test_cold_share_is_of_users_in_the_means() -> None:
    cold = np.array([True, False, True, True])
    truth = make_truth([[0], [1], [], [2]], 4)
    scores = score(make_lists([[0]] * 4), truth, cold_users=cold)
    assert scores.means["cold_users"].value == pytest.approx(2 / 3)


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_bounds(counts: list[int]) -> None:
    array = np.array(counts)
    if not array.sum():
        return
    assert exposure.gini(array) >= -1e-12
    assert exposure.gini(array) < 1
    assert exposure.entropy(array) >= -1e-12
    assert exposure.entropy(array) <= np.log2(len(array)) + 1e-12


@given(seed=st.integers(0, 2**32 - 1))
def test_diversity_equals_counting_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    categories = rng.integers(-1, 3, size=12)
    length = rng.integers(0, 7)
    row = rng.permutation(12)[:length].tolist()
    found = beyond.diversity(make_lists([row], 6), categories, k=5)[0]
    top = categories[row[:5]]
    pairs = [(a, b) for i, a in enumerate(top) for b in top[i + 1 :]]
    expected = np.mean([a != b for a, b in pairs]) if pairs else (0.0 if length else np.nan)
    np.testing.assert_allclose(found, expected, atol=1e-12)
