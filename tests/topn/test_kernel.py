"""The kernel against answers worked out by hand, and against the reference on anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from recsys_batch.errors import ConfigError, InputDataError
from recsys_batch.topn import PreparedItems, engine, guess, jit, kernel, reference, select, top_n
from recsys_batch.topn.scan import scan


def f32(rows: Any) -> Any:
    return np.array(rows, dtype=np.float32)


INF = float("inf")
NEEDS_INT8 = pytest.mark.skipif(
    not jit.HAS_INT8, reason="this processor has no AVX-512 VNNI, which the int8 path needs"
)


def test_orders_by_score_then_item_row() -> None:
    items = f32([[1, 0], [3, 0], [1, 0], [0, 2]])
    rows, scores = top_n(f32([[1, 1], [-1, 0]]), items, n=3)
    assert_array_equal(rows, [[1, 3, 0], [3, 0, 2]])
    assert_array_equal(scores, f32([[3, 2, 1], [0, -1, -1]]))
    assert rows.dtype == np.int32
    assert scores.dtype == np.float32


def test_pads_users_with_fewer_items_left() -> None:
    items = f32([[1], [2], [3]])
    exclude = sparse.csr_matrix(f32([[0, 0, 1], [1, 1, 1]]))
    rows, scores = top_n(f32([[1], [1]]), items, n=4, exclude=exclude)
    assert_array_equal(rows, [[1, 0, -1, -1], [-1, -1, -1, -1]])
    assert_array_equal(scores, f32([[2, 1, -INF, -INF], [-INF] * 4]))


def test_only_structure_of_a_sparse_mask_counts() -> None:
    stored_zero = sparse.csr_matrix((f32([0]), ([0], [1])), shape=(1, 2))
    assert stored_zero.nnz == 1
    rows, _ = top_n(f32([[1]]), f32([[1], [2]]), n=2, exclude=stored_zero)
    assert_array_equal(rows, [[0, -1]])
    rows, _ = top_n(f32([[1]]), f32([[1], [2]]), n=2, allow=stored_zero)
    assert_array_equal(rows, [[1, -1]])


def test_masks_of_every_form_combine() -> None:
    items = f32([[4], [3], [2], [1]])
    allow = np.array([True, True, False, True])
    exclude = np.array([[True, False, False, False], [False, True, False, False]])
    rows, _ = top_n(f32([[1], [1]]), items, n=2, exclude=exclude, allow=allow)
    assert_array_equal(rows, [[1, 3], [0, 3]])


@pytest.mark.parametrize(("users", "items"), [(0, 5), (3, 0), (0, 0)])
def test_no_users_or_no_items(users: int, items: int) -> None:
    rows, scores = top_n(np.ones((users, 4), np.float32), np.ones((items, 4), np.float32), n=2)
    assert_array_equal(rows, np.full((users, 2), -1))
    assert_array_equal(scores, np.full((users, 2), -INF, np.float32))


@pytest.mark.parametrize("name", ["exclude", "allow"])
def test_masks_of_no_items(name: str) -> None:
    masks: dict[str, Any] = {name: np.zeros((2, 0), dtype=bool)}
    rows, _ = top_n(np.ones((2, 4), np.float32), np.ones((0, 4), np.float32), n=1, **masks)
    assert_array_equal(rows, [[-1], [-1]])


def test_scores_that_round_to_the_same_denormal_are_ties() -> None:
    """Products of 1e-45 to 3e-45 round to one or two units of 1.4e-45: order follows the rows."""
    items = f32([[1e-21], [1.2e-21], [2.9e-21], [2.6e-21]])
    rows, _ = top_n(f32([[1e-24]]), items, n=4)
    assert_array_equal(rows, [[2, 3, 0, 1]])


def test_no_dimensions_means_every_score_is_zero() -> None:
    rows, scores = top_n(np.ones((1, 0), np.float32), np.ones((3, 0), np.float32), n=2)
    assert_array_equal(rows, [[0, 1]])
    assert_array_equal(scores, f32([[0, 0]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_factors_that_are_not_finite_naming_the_row(bad: float) -> None:
    good, broken = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    broken[2, 1] = bad
    with pytest.raises(InputDataError, match=r"user_factors: row 2 holds NaN or infinity"):
        top_n(broken, good, n=1)
    with pytest.raises(InputDataError, match=r"item_factors: row 2 holds NaN or infinity"):
        top_n(good, broken, n=1)


def test_refuses_scores_that_could_overflow() -> None:
    with pytest.raises(InputDataError, match="may overflow a float32 score"):
        top_n(f32([[1e30]]), f32([[1], [1e30]]), n=1)


ONE = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"user_factors": ONE.astype(np.float64)}, InputDataError, "float64, not a float32"),
        ({"item_factors": [[1.0, 2.0, 3.0]]}, InputDataError, "list, not a float32"),
        ({"user_factors": ONE[0]}, InputDataError, r"shape \(3,\)"),
        ({"item_factors": ONE[:, :2].copy()}, InputDataError, "users have 3 dimensions, items 2"),
        ({"n": 0}, ConfigError, "n is 0"),
        ({"n": 2.5}, ConfigError, "n is 2.5"),
        ({"threads": 0}, ConfigError, "threads is 0"),
        ({"exclude": np.zeros(3, bool)}, InputDataError, r"exclude: the mask has shape \(3,\)"),
        ({"allow": np.zeros((2, 2))}, InputDataError, "allow: the mask holds float64"),
        ({"allow": sparse.coo_matrix((2, 2))}, InputDataError, "pass a scipy CSR matrix"),
        ({"exclude": sparse.csr_matrix((3, 2))}, InputDataError, r"shape \(3, 2\)"),
    ],
)
def test_refuses_what_does_not_fit(change: dict[str, Any], error: Any, match: str) -> None:
    arguments: dict[str, Any] = {"user_factors": ONE, "item_factors": ONE, "n": 1} | change
    with pytest.raises(error, match=match):
        top_n(**arguments)


def test_factors_from_a_mapped_file_compile_nothing_anew() -> None:
    users, items = f32([[1, 2], [3, 4]]), f32([[1, 0], [0, 1], [1, 1]])
    top_n(users, items, n=2)
    compiled = len(scan.signatures)
    for array in (users, items):
        array.flags.writeable = False
    top_n(users, items, n=2)
    assert len(scan.signatures) == compiled


def test_inputs_are_left_as_they_were() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(5, 6)).astype("f4"), rng.normal(size=(9, 6)).astype("f4")
    exclude = sparse.csr_matrix(rng.random((5, 9)) < 0.3)
    before = users.copy(), items.copy(), exclude.copy()
    top_n(users, items, n=3, exclude=exclude)
    assert_array_equal(users, before[0])
    assert_array_equal(items, before[1])
    assert (exclude != before[2]).nnz == 0


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Small problems full of ties: few distinct values, repeated and zero vectors, all masks."""
    users, items = draw(st.integers(0, 9)), draw(st.integers(0, 200))
    dims = draw(st.sampled_from([0, 1, 3, 8, 13, 33, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "integers", "repeated", "tiny", "skewed"]))
    shape_u, shape_v = (users, dims), (items, dims)
    if kind == "integers":
        u, v = rng.integers(-1, 2, shape_u), rng.integers(-1, 2, shape_v)
    else:
        u, v = rng.normal(size=shape_u), rng.normal(size=shape_v)
    if kind == "repeated" and items:
        v = v[rng.integers(0, min(items, 3), items)] * rng.integers(0, 2, (items, 1))
    if kind == "tiny":
        u, v = u * 1e-23, v * 1e-20
    if kind == "skewed":
        v = v * np.exp(3 * rng.normal(size=(items, 1)))
    sparsity = draw(st.sampled_from([0.0, 0.2, 0.9, 1.0]))

    def mask() -> Any:
        form = draw(st.sampled_from(["none", "csr", "matrix", "vector"]))
        drawn = rng.random((users, items)) < sparsity
        forms = {
            "none": None,
            "csr": sparse.csr_matrix(drawn),
            "matrix": drawn,
            "vector": rng.random(items) < sparsity,
        }
        return forms[form]

    return {
        "user_factors": u.astype(np.float32),
        "item_factors": v.astype(np.float32),
        "n": draw(st.sampled_from([1, 2, 7, 50, 300])),
        "exclude": mask(),
        "allow": mask(),
    }


@settings(max_examples=200, deadline=None)
@given(problem=problems(), threads=st.sampled_from([1, 2, None]))
def test_equals_the_reference_bit_for_bit(problem: dict[str, Any], threads: int | None) -> None:
    rows, scores = top_n(**problem, threads=threads)
    expected_rows, expected_scores = reference.top_n(**problem)
    assert_array_equal(rows, expected_rows)
    assert scores.tobytes() == expected_scores.tobytes()


def large_problem(seed: int, *, users: int = 50, items: int = 3000, dims: int = 24) -> Any:
    """Enough items for guessed thresholds, long tails of norms, and repeated items for ties."""
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(items, dims)) * rng.lognormal(sigma=0.7, size=(items, 1))
    v[rng.integers(0, items, items // 3)] = v[rng.integers(0, items, items // 3)]
    u = rng.normal(size=(users, dims))
    u[::10] = 0
    exclude = sparse.random(users, items, density=0.05, format="csr", rng=rng)
    return u.astype(np.float32), v.astype(np.float32), exclude


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=NEEDS_INT8)])
@pytest.mark.parametrize("block_users", [6, 18, 240])
@pytest.mark.parametrize("masks", ["none", "exclude", "both", "matrix"])
def test_both_instruction_sets_and_any_block_size_give_the_reference(
    monkeypatch: pytest.MonkeyPatch, int8: bool, block_users: int, masks: str
) -> None:
    monkeypatch.setattr(kernel, "HAS_INT8", int8)
    monkeypatch.setattr(engine, "_BLOCK_USERS", block_users)
    users, items, exclude = large_problem(7)
    rng = np.random.default_rng(1)
    allow = rng.random((50, 3000)) < 0.5
    given_masks: dict[str, Any] = {
        "none": {},
        "exclude": {"exclude": exclude},
        "both": {"exclude": exclude, "allow": sparse.csr_matrix(allow)},
        "matrix": {"exclude": rng.random((50, 3000)) < 0.01, "allow": allow},
    }[masks]
    rows, scores = top_n(users, items, n=10, **given_masks)
    expected_rows, expected_scores = reference.top_n(users, items, n=10, **given_masks)
    assert_array_equal(rows, expected_rows)
    assert scores.tobytes() == expected_scores.tobytes()


def test_a_guess_that_was_too_high_is_repaired() -> None:
    """Items of the sampled tiles are the best for user 0 but only they, so the guess misleads."""
    users, items, _ = large_problem(3, users=12)
    items = items[np.argsort(-np.linalg.norm(items, axis=1))]
    direction = users[1]
    tile = np.arange(len(items)) // jit.WIDTH
    sampled = tile % guess._STRIDE == guess._OFFSET
    norms = np.linalg.norm(items, axis=1, keepdims=True)
    aligned = direction / np.linalg.norm(direction) * norms
    items[sampled] = aligned[sampled].astype(np.float32)
    rows, scores = top_n(users, items, n=90)
    expected = reference.top_n(users, items, n=90)
    assert_array_equal(rows, expected[0])
    assert scores.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=NEEDS_INT8)])
def test_bounds_too_loose_to_part_anything_still_give_the_exact_list(
    monkeypatch: pytest.MonkeyPatch, int8: bool
) -> None:
    """A component common to all items drowns the differences in eight bits."""
    monkeypatch.setattr(kernel, "HAS_INT8", int8)
    users, items, exclude = large_problem(5, users=300)
    users[:, 0], items[:, 0] = 500, 500
    rows, scores = top_n(users, items, n=10, exclude=exclude)
    expected = reference.top_n(users, items, n=10, exclude=exclude)
    assert_array_equal(rows, expected[0])
    assert scores.tobytes() == expected[1].tobytes()


def test_more_lists_than_a_block_and_lists_longer_than_the_items() -> None:
    users, items, exclude = large_problem(9, users=700, items=300, dims=5)
    for n in (1, 299, 400):
        rows, scores = top_n(users, items, n=n, exclude=exclude, threads=2)
        expected = reference.top_n(users, items, n=n, exclude=exclude)
        assert_array_equal(rows, expected[0])
        assert scores.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("n", [257, 700, 1100])
def test_lists_longer_than_the_keys_that_are_sorted_at_once(n: int) -> None:
    users, items, exclude = large_problem(13, users=30)
    rows, scores = top_n(users, items, n=n, exclude=exclude)
    expected = reference.top_n(users, items, n=n, exclude=exclude)
    assert_array_equal(rows, expected[0])
    assert scores.tobytes() == expected[1].tobytes()


@given(st.sets(st.integers(0, 2**64 - 1), max_size=1500))
@settings(max_examples=50, deadline=None)
def test_any_number_of_keys_is_sorted(numbers: set[int]) -> None:
    keys = np.array(list(numbers), dtype=np.uint64)
    expected = np.sort(keys)
    select._sort(keys, np.zeros_like(keys))
    assert_array_equal(keys, expected)


def test_prepared_items_serve_every_block_alike() -> None:
    users, items, exclude = large_problem(11)
    prepared = PreparedItems(items)
    whole = top_n(users, items, n=20, exclude=exclude)
    for first in range(0, 50, 20):
        block = slice(first, first + 20)
        rows, scores = top_n(users[block], prepared, n=20, exclude=exclude[block])
        assert_array_equal(rows, whole[0][block])
        assert_array_equal(scores, whole[1][block])
    allow = np.arange(3000) % 7 == 0
    assert_array_equal(
        top_n(users, prepared, n=20, allow=allow)[0], top_n(users, items, n=20, allow=allow)[0]
    )
