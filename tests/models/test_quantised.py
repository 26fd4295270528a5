"""Factors in fewer bits: how far they are off at most, what they take, and that they rank alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys_batch.models.quantised import CodedFactors, CodedRows
from recsys_batch.models.sources import FactorScores, FactorSource
from recsys_batch.topn import top_n

MATRICES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(1, 9)),
    elements=st.floats(-1000, 1000, width=32),
)


@given(rows=MATRICES)
@settings(max_examples=100, deadline=None)
def test_int8_is_off_by_half_a_step_of_its_row_at_most(rows):
    found = CodedRows.of(rows, "int8")[:]
    steps = np.abs(rows).max(axis=1, initial=0.0) / 127
    assert found.dtype == np.float32
    assert (np.abs(found - rows) <= 0.5001 * steps[:, None] + 1e-30).all()


@given(rows=MATRICES)
@settings(max_examples=100, deadline=None)
def test_float16_is_off_by_a_2048th_at_most(rows):
    found = CodedRows.of(rows, "float16")[:]
    assert (np.abs(found - rows) <= np.abs(rows) / 2**11 + 2**-24).all()


def test_numbers_beyond_float16_are_its_greatest():
    found = CodedRows.of(np.array([[1e6, -1e6]], dtype=np.float32), "float16")[:]
    assert found.tolist() == [[65504.0, -65504.0]]


@pytest.mark.parametrize(("precision", "share"), [("float16", 0.52), ("int8", 0.27)])
def test_they_take_fewer_bytes_and_rank_nearly_alike(precision, share):
    rng = np.random.default_rng(1)
    users, items = (rng.standard_normal((rows, 64)).astype(np.float32) for rows in (200, 500))
    users[7] = 0.0
    exact = FactorScores(users, items)
    coded = CodedFactors.of(exact, precision)
    assert isinstance(coded, FactorSource)
    assert coded.users.nbytes < share * users.nbytes
    rows = np.array([3, 7, 150])
    apart = np.abs(coded.scores(rows) - exact.scores(rows)).max()
    assert 0 < apart < 0.02 * np.abs(exact.scores(rows)).max()
    assert not coded.scores(rows)[1].any()
    lists, _ = top_n(users, items, n=20)
    rounded, _ = top_n(coded.users[:], coded.items, n=20)
    kept = [len(np.intersect1d(*pair)) for pair in zip(lists, rounded, strict=True)]
    assert np.mean(kept) > 19
