"""Expected calibration error, by hand and against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.evaluation.calibration import expected_calibration_error


def test_by_hand():
    told = np.array([0.1, 0.1, 0.1, 0.1, 0.5, 0.5])
    hits = np.array([True, False, False, False, True, True])
    # Four of .1 with a quarter true, two of .5 with all true.
    expected = (4 * abs(0.1 - 0.25) + 2 * abs(0.5 - 1.0)) / 6
    np.testing.assert_allclose(expected_calibration_error(told, hits, bins=2), expected)


def test_what_has_no_probability_is_left_out():
    told = np.array([[0.5, np.nan], [0.5, np.nan]])
    hits = np.array([[True, True], [False, True]])
    assert expected_calibration_error(told, hits) == 0.0
    assert np.isnan(expected_calibration_error(told[:, 1:], hits[:, 1:]))


@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    data=st.data(),
)
def test_it_is_a_share_whatever_the_order_and_no_less_than_the_whole_is_off(rows, data):
    told, hits = (np.array(each) for each in zip(*rows, strict=True))
    found = expected_calibration_error(told, hits)
    assert -1e-12 <= found <= 1
    assert found >= abs(told.mean() - hits.mean()) - 1e-9
    order = data.draw(st.permutations(range(len(rows))))
    np.testing.assert_allclose(expected_calibration_error(told[order], hits[order]), found)
