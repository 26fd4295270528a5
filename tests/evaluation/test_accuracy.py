from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recsys_batch.errors import ContractError
from recsys_batch.evaluation import accuracy as room
from recsys_batch.evaluation.accuracy import accuracy
from recsys_batch.evaluation.lists import blocks
from recsys_batch.evaluation.ranks import pessimistic_rank

from .cases import make_lists, make_truth, random_case, score, settings

NAMES = ("precision", "recall", "ndcg", "map", "mrr", "hit_rate")
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int) -> tuple[np.ndarray, sparse.csr_array]:
    rng = np.random.default_rng(seed)
    n_items = int(rng.integers(4, 20))
    width = int(rng.integers(1, n_items))
    return random_case(rng, users=int(rng.integers(1, 25)), n_items=n_items, width=width)


def test_checkerboard() -> None:
    # Even users want even items, odd users odd ones; everybody is shown 0, 1, 2, 3, ...
    truth = make_truth([[0, 2, 4, 6], [1, 3, 5, 7]] * 3, 8)
    found = accuracy(np.tile(np.arange(8, dtype=np.int32), (6, 1)), truth, k=4, recall_k=6)
    assert found["precision"].tolist() == [0.5] * 6
    assert found["recall"].tolist() == [0.75] * 6
    assert found["mrr"].tolist() == [1.0, 0.5] * 3
    # Hits at ranks 1, 3 or 2, 4; four are relevant.
    np.testing.assert_allclose(found["map"], [(1 + 2 / 3) / 4, (1 / 2 + 2 / 4) / 4] * 3)


def test_perfect_lists_score_one_where_one_can_be_reached() -> None:
    truth = make_truth([[0, 1], [2, 3]], 5)
    found = accuracy(make_lists([[1, 0], [2, 3]]), truth, k=2, recall_k=2)
    assert all(found[name].tolist() == [1.0, 1.0] for name in NAMES)


def test_empty_list_is_zero_and_nothing_relevant_is_left_out() -> None:
    scores = score(make_lists([[0], [], [1]], 3), make_truth([[0], [1], []], 4))
    for name in NAMES:
        values = scores.per_user[name]
        assert values[1] == 0.0
        assert np.isnan(values[2])
    assert (scores.users, scores.users_without_relevant) == (2, 1)
    assert (scores.empty_lists, scores.short_lists) == (1, 3)
    assert scores.means["hit_rate"].value == 0.5


def test_lists_narrower_than_k_miss_what_they_do_not_hold() -> None:
    found = accuracy(make_lists([[0]]), make_truth([[0, 1]], 3), k=2, recall_k=5)
    assert found["precision"].tolist() == [0.5]
    assert found["recall"].tolist() == [0.5]


def test_lists_without_columns_score_zero() -> None:
    found = accuracy(np.empty((1, 0), dtype=np.int32), make_truth([[0]], 2), k=2, recall_k=2)
    assert [found[name].tolist() for name in NAMES] == [[0.0]] * 6


def test_average_precision_divisors_differ_beyond_k_only() -> None:
    hits, relevant = np.array([[True, True], [True, False]]), np.array([5, 1])
    assert room.average_precision(hits, relevant, k=2).tolist() == [0.4, 1.0]
    assert room.average_precision(hits, relevant, k=2, divisor="achievable").tolist() == [1, 1]


def test_explicit_zeros_and_duplicates_of_the_hold_out() -> None:
    data, indices = np.array([0.0, 1.0, 1.0]), np.array([0, 1, 1])
    truth = sparse.csr_array((data, indices, np.array([0, 3])), shape=(1, 3))
    found = accuracy(make_lists([[0, 1]]), truth, k=2, recall_k=2)
    assert found["recall"].tolist() == [1.0]
    assert found["mrr"].tolist() == [0.5]


def test_inputs_are_unchanged() -> None:
    lists, _ = draw(5)
    # Unsorted, with a duplicate and a zero: what an in-place clean-up would touch.
    indices, data = np.array([2, 0, 2, 1]), np.array([1.0, 1.0, 1.0, 0.0])
    indptr = np.concatenate(([0], np.full(len(lists), 4)))
    truth = sparse.csr_array((data, indices, indptr), shape=(len(lists), int(lists.max()) + 1))
    before = (lists.copy(), indices.copy(), data.copy(), indptr.copy())
    score(lists, truth)
    for old, new in zip(before, (lists, truth.indices, truth.data, truth.indptr), strict=True):
        np.testing.assert_array_equal(old, new)


def test_blocks_of_users_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    lists, truth = random_case(rng, users=50, n_items=30, width=12)
    whole = accuracy(lists, truth, k=5, recall_k=10)
    monkeypatch.setattr("recsys_batch.evaluation.lists.BLOCK_CELLS", 7 * 12)
    assert len(list(blocks(lists, truth))) == 8
    for name, values in accuracy(lists, truth, k=5, recall_k=10).items():
        np.testing.assert_array_equal(values, whole[name])


@given(seed=seeds)
def test_all_lie_between_zero_and_one(seed: int) -> None:
    lists, truth = draw(seed)
    for values in accuracy(lists, truth, k=5, recall_k=7).values():
        counted = values[~np.isnan(values)]
        assert ((counted >= 0) & (counted <= 1 + 1e-12)).all()


@given(seed=seeds)
def test_permuting_users_permutes_values(seed: int) -> None:
    lists, truth = draw(seed)
    order = np.random.default_rng(seed).permutation(len(lists))
    one = score(lists, truth)
    other = score(lists[order], truth[order])
    for name, values in one.per_user.items():
        np.testing.assert_array_equal(values[order], other.per_user[name])
        assert other.means[name].value == pytest.approx(one.means[name].value, nan_ok=True)
    for name, interval in one.catalogue.items():
        assert other.catalogue[name].value == pytest.approx(interval.value, nan_ok=True)


@given(seed=seeds)
def test_an_irrelevant_item_at_the_end_raises_nothing(seed: int) -> None:
    lists, truth = draw(seed)
    users, n_items = truth.shape
    wide = np.hstack([lists, np.full((users, 1), -1, dtype=np.int32)])
    wide[np.arange(users), (lists >= 0).sum(axis=1)] = n_items  # new, so relevant to nobody
    grown = sparse.csr_array((truth.data, truth.indices, truth.indptr), shape=(users, n_items + 1))
    before = accuracy(lists, truth, k=5, recall_k=7)
    for name, values in accuracy(wide, grown, k=5, recall_k=7).items():
        assert (np.nan_to_num(values) <= np.nan_to_num(before[name]) + 1e-12).all()


@given(seed=seeds)
def test_moving_a_hit_up_never_lowers(seed: int) -> None:
    lists, truth = draw(seed)
    hits = np.vstack([block.hits for block in blocks(lists, truth)])
    relevant = np.diff(truth.indptr)
    front = np.sort(hits, axis=1)[:, ::-1]
    for metric in room.accuracy_metrics(k=5, recall_k=7).values():
        better, worse = metric(front, relevant), metric(hits, relevant)
        assert (np.nan_to_num(better) >= np.nan_to_num(worse) - 1e-12).all()


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ([[0, 1, 1]], "same item twice"),
        ([[0, 9, 1]], "outside 0 to 3"),
        ([[0, -1, 1]], "padding before an item"),
        ([[0, 1, -2]], "outside 0 to 3"),
    ],
)
def test_malformed_lists_are_refused(lists: list[list[int]], words: str) -> None:
    good = [[0, 1, 2]] * 4
    with pytest.raises(ContractError, match=words) as caught:
        accuracy(np.array(good + lists), make_truth([[0]] * 5, 4), k=2, recall_k=2)
    assert caught.value.where == "list of user row 4"


def test_misfitting_inputs_are_refused() -> None:
    lists, truth = make_lists([[0, 1]]), make_truth([[0]], 3)
    for bad_lists, bad_truth in (
        (lists.astype(float), truth),
        (lists[0], truth),
        (lists, truth.tocsc()),
        (np.vstack([lists, lists]), truth),
    ):
        with pytest.raises(ContractError, match="evaluation input"):
            accuracy(bad_lists, bad_truth, k=2, recall_k=2)
    with pytest.raises(ContractError, match="item_popularity has 2 items, the catalogue 3"):
        score(lists, truth, item_popularity=np.ones(2))


def test_a_tie_counts_against_us() -> None:
    scores = np.array([[0.5, 0.5, 0.1], [0.9, 0.5, 0.1], [0.0, 0.0, 0.0]])
    assert pessimistic_rank(scores, np.array([0, 0, 2])).tolist() == [2, 1, 3]


def test_nan_counts_against_us() -> None:
    scores = np.array([[0.5, np.nan, 0.1], [np.nan, 0.2, 0.1]])
    assert pessimistic_rank(scores, np.array([0, 0])).tolist() == [2, 3]


def test_positive_outside_the_candidates_is_refused() -> None:
    with pytest.raises(ContractError, match="columns 0 to 1"):
        pessimistic_rank(np.zeros((1, 2)), np.array([2]))
    with pytest.raises(ContractError, match="one positive column a case"):
        pessimistic_rank(np.zeros((1, 2)), np.array([0, 1]))


def test_depths_name_the_metrics() -> None:
    scores = score(make_lists([[0]]), make_truth([[0]], 2), settings=settings(k=5, recall_k=50))
    names = scores.table(model="lists").column("metric").to_pylist()
    assert {"ndcg@5", "recall@50", "coverage@5"} <= set(names)
