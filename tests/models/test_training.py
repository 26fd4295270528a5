"""Features to arrays: rows and columns by key, what each holds, and the same bits in any order."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feature_tables import ITEMS, UNTIL, USERS, items, pairs, popularity, table
from recsys_batch.errors import InputDataError
from recsys_batch.models.training import Training, item_texts, training

PAIRS = pairs(
    ("u2", "ä", 0.5, "view", False, 3),
    ("u1", "b", 1.0, "purchase", True, 1),
    ("u1", "a", 2.0, "view", False, 10),
    ("u3", "a", 0.0, "purchase", True, 1),  # weighs nothing, is seen
    ("u2", "a", 4.0, "rating", True, 2),
)
PEOPLE = table(
    USERS,
    [("u3", "north", "old"), ("u1", None, "new"), ("u0", "süd"), ("u2", "north", "old")],
)
SHOP = items(["b", "ä", "a", "B"], blocked=["a"], titles={"b": "Bread", "a": "Apple"})
POPULAR = popularity(
    {None: {"b": 4.0, "a": 1.0}, "north": {"a": 0.5, "B": 2.0}, "moon": {"a": 9.0}}
)


def made(
    interactions: pa.Table = PAIRS,
    users: pa.Table = PEOPLE,
    shop: pa.Table = SHOP,
    popular: pa.Table = POPULAR,
    until: dt.date = UNTIL,
) -> Training:
    return training(interactions, users, shop, popular, until=until)


def test_rows_and_columns_are_keys_in_ascending_order_and_strangers_stand_behind():
    found = made()
    assert found.keys.tolist() == [b"u0", b"u1", b"u2", b"u3"]
    assert found.ids == ("B", "a", "b", "ä")
    assert found.titles == ("B", "Apple", "Bread", "ä")  # the id where there is no text
    assert found.data.weights.dtype == np.float32
    assert found.data.weights.toarray().tolist() == [
        [0, 0, 0, 0],
        [0, 2, 1, 0],
        [0, 4, 0, 0.5],
        [0, 0, 0, 0],
        *[[0, 0, 0, 0]] * 5,
    ]
    assert found.seen.toarray().nonzero()[0].tolist() == [1, 2, 3]
    assert found.seen.toarray().nonzero()[1].tolist() == [2, 1, 1]
    assert found.recommendable.tolist() == [True, False, True, True]


def test_each_pair_has_its_age_and_its_weightiest_act():
    found = made()
    assert found.data.ages.tolist() == [10, 1, 2, 3]  # u1 a, u1 b, u2 a, u2 ä
    acts = [found.act_names[place] for place in found.acts]
    assert acts == ["view", "purchase", "rating", "view"]
    later = made(until=UNTIL + dt.timedelta(days=5))
    assert later.data.ages.tolist() == [15, 6, 7, 8]


def test_users_have_their_regions_and_strangers_theirs():
    found = made()
    assert found.region_names == ("north", "süd")
    assert found.data.regions.tolist() == [1, -1, 0, 0, 0, 1, -1, -1, -1]
    assert [found.stranger(each) for each in ("north", "süd", None, "moon")] == [4, 5, 6, 6]
    assert found.listed.tolist() == [True] * 4


def test_users_have_their_cohorts_and_strangers_theirs_which_go_before_regions():
    found = made()
    assert found.cohort_names == ("new", "old")
    assert found.data.cohorts.tolist() == [-1, 0, 1, 1, -1, -1, -1, 0, 1]
    assert [found.stranger(None, each) for each in ("new", "old", None, "gone")] == [7, 8, 6, 6]
    assert [found.stranger("süd", each) for each in ("new", "gone")] == [7, 5]


def test_without_cohorts_there_is_no_stranger_of_one():
    found = made(users=PEOPLE.drop(["cohort"]).append_column("cohort", pa.nulls(4, pa.string())))
    assert found.cohort_names == ()
    assert found.data.weights.shape[0] == 4 + 3
    assert set(found.data.cohorts.tolist()) == {-1}


def test_popularity_is_of_all_and_of_the_regions_that_users_have():
    found = made()
    assert found.data.popularity.tolist() == [0, 1, 4, 0]
    assert found.data.regional.tolist() == [[2, 0.5, 0, 0], [0, 0, 0, 0]]


def test_users_who_are_not_known_train_but_have_no_list():
    found = made(users=PEOPLE.slice(0, 2))
    assert found.keys.tolist() == [b"u1", b"u2", b"u3"]
    assert found.listed.tolist() == [True, False, True]
    assert found.data.weights[1].nnz == 2
    assert found.data.regions.tolist() == [-1, -1, 0, 0, -1, -1, -1]
    assert found.data.cohorts.tolist() == [0, -1, 1, -1, -1, 0, 1]


def test_texts_are_all_that_is_known_of_an_item():
    rows = [("a", "Red coat", "coats", "warm", ["new", "wool"], True), ("b", *[None] * 4, True)]
    one, other = item_texts(table(ITEMS, rows))
    assert one == "Red coat coats warm new wool"
    assert other.split() == []


@pytest.mark.parametrize("interactions", [PAIRS.slice(3, 1), PAIRS.slice(0, 0)])
def test_where_no_pair_weighs_anything_it_says_what_to_change(interactions):
    with pytest.raises(InputDataError, match=r"no interaction of \d weighs anything; widen the"):
        made(interactions=interactions)


def bits(found: Training) -> list[object]:
    parts = [found.data.weights, found.seen]
    arrays = [getattr(each, name) for each in parts for name in ("data", "indices", "indptr")]
    arrays += [found.keys, found.listed, found.recommendable, found.data.ages]
    arrays += [found.data.regions, found.data.popularity, found.data.regional]
    arrays += [found.data.cohorts]
    acts = [found.act_names[place] for place in found.acts]
    named = [found.ids, found.titles, found.region_names, found.cohort_names]
    named += [found.data.texts, acts]
    return [*(each.tobytes() for each in arrays), *named]


@settings(max_examples=50, deadline=None)
@given(
    weights=st.dictionaries(
        st.tuples(st.sampled_from("uvwxyz"), st.sampled_from(["1", "2", "é", "日"])),
        st.floats(-1, 10, allow_nan=False),
    ),
    data=st.data(),
)
def test_the_order_and_chunks_of_rows_change_no_bit(weights, data):
    acts = ("view", "purchase", "rating")
    rows = [
        (user, item, weight, acts[place % 3], place % 2 == 0, place)
        for place, ((user, item), weight) in enumerate(weights.items())
    ]
    rows.append(("u", "sure", 1.0, "purchase", True, 1))
    shop = items(["é", "sure", "1", "日", "2"])

    def shuffled(whole: pa.Table) -> pa.Table:
        moved = whole.take(pa.array(data.draw(st.permutations(range(len(whole))))))
        cut = data.draw(st.integers(0, len(whole)))
        return pa.concat_tables([moved.slice(0, cut), moved.slice(cut)])

    people = table(
        USERS,
        [(each, *((each, None) if each < "w" else (None, f"like {each}"))) for each in "uvwxyz"],
    )
    popular = popularity({None: {"é": 1.0, "1": 2.0}, "u": {"日": 3.0}})
    whole = (pairs(*rows), people, shop, popular)
    one, other = made(*whole), made(*map(shuffled, whole))
    assert bits(one) == bits(other)
    dense = {
        (one.keys[row].decode(), one.ids[column]): one.data.weights[row, column]
        for row, column in zip(*one.data.weights.nonzero(), strict=True)
    }
    assert dense == {
        (user, item): np.float32(weight)
        for user, item, weight, *_ in rows
        if np.float32(weight) > 0
    }
    seen = {(user, item) for user, item, _, _, seen, _ in rows if seen}
    assert {
        (one.keys[row].decode(), one.ids[column])
        for row, column in zip(*one.seen.nonzero(), strict=True)
    } == seen
