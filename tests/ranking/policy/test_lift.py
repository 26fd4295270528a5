"""Lists under one floor whose members are too few among the candidates."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ranking.policy.cases import arranged, item_facts, policy
from recsys_batch.ranking.policy.facts import FLOOR, RELEVANCE

NEW = {"items": ["i6", "i7", "i8"]}
SCORES = [6.0, 5.0, 4.5, 3.0, 2.0, 1.0]


def test_members_that_are_no_candidates_come_in_the_order_in_which_lists_are_filled() -> None:
    rules = policy(floors=[{"group": NEW, "share": 0.5}])
    lists = arranged(rules, item_facts(9), SCORES, n=4, fill=[3, 8, 7, 6])
    assert lists.rows.tolist() == [[0, 8, 1, 7]]
    assert lists.places.tolist() == [[0, -1, 1, -1]]
    assert lists.why.tolist() == [[RELEVANCE, FLOOR, RELEVANCE, FLOOR]]
    # Just above what it precedes; the last a whole number, 1 or more below the last that is better.
    above = np.nextafter(np.float32(5), np.float32(np.inf))
    assert lists.scores.tolist() == [[6.0, above, 5.0, 4.0]]
    assert lists.shortfall.tolist() == [0]


def test_a_candidate_that_is_a_member_comes_before_one_that_is_none() -> None:
    rules = policy(floors=[{"group": {"items": ["i5", "i6"]}, "share": 0.5}])
    lists = arranged(rules, item_facts(9), SCORES, n=4, fill=[6])
    assert lists.rows.tolist() == [[0, 5, 1, 6]]


def test_what_a_user_must_not_be_shown_pays_no_debt() -> None:
    rules = policy(floors=[{"group": NEW, "share": 0.5}])
    seen = sparse.csr_matrix(([1, 1], ([0, 0], [8, 7])), shape=(2, 9))
    lists = arranged(rules, item_facts(9), [SCORES, SCORES], n=4, fill=[8, 7, 6], exclude=seen)
    assert lists.rows.tolist() == [[0, 6, 1, 2], [0, 8, 1, 7]]


def test_a_list_as_long_as_there_are_candidates_gives_up_the_last_of_them() -> None:
    rules = policy(floors=[{"group": NEW, "share": 0.2}])
    lists = arranged(rules, item_facts(9), SCORES[:5], n=5, fill=[6])
    assert lists.rows.tolist() == [[0, 1, 2, 3, 6]]
