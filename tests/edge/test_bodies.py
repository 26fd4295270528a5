import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.edge.bodies import (
    LEVELS,
    Item,
    answer,
    answer_head,
    encode_list,
    item_count,
    look_up,
)
from recsys_batch.errors import EdgeError

from .samples import items

HEAD = b'{"publication":"p1","as_of":"2026-01-01","level":"user","items":['
FIRST = b'{"item_id":"a","score":0.5,"source":"als","reason":"like b"}'
SECOND = '{"item_id":"ü\\"","score":-2.0,"source":"popularity","reason":""}'.encode()
TWO = [Item("a", 0.5, "als", "like b"), Item('ü"', -2.0, "popularity", "")]


def value(listed):
    return encode_list(listed, where="the tests")


def test_a_stored_value_is_the_table_of_ends_and_the_text():
    assert len(FIRST) == 60
    assert len(SECOND) == 65
    ends = struct.pack("<BHIII", 2, 2, 0, 60, 126)  # the comma counts with its item
    assert value(TWO) == ends + FIRST + b"," + SECOND


@pytest.mark.parametrize("level", LEVELS)
def test_what_stands_before_the_items_names_publication_day_and_level(level):
    head = answer_head(publication_id="p1", as_of="2026-01-01", level=level)
    assert json.loads(answer(head, value([]), 9)) == {
        "publication": "p1",
        "as_of": "2026-01-01",
        "level": level,
        "items": [],
    }


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, HEAD + b"]}"),
        (1, HEAD + FIRST + b"]}"),
        (2, HEAD + FIRST + b"," + SECOND + b"]}"),
        (1000, HEAD + FIRST + b"," + SECOND + b"]}"),
    ],
)
def test_an_answer_is_a_head_and_a_slice(n, text):
    assert answer(HEAD, value(TWO), n) == text


@given(
    st.lists(
        st.builds(
            Item,
            st.text(max_size=9),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=5),
            st.text(max_size=9),
        ),
        max_size=6,
    ),
    st.integers(0, 8),
)
def test_any_list_survives_and_any_slice_of_it_is_its_beginning(listed, n):
    stored = value(listed)
    wanted = [
        {"item_id": i.item_id, "score": i.score, "source": i.source, "reason": i.reason}
        for i in listed
    ]
    assert item_count(stored) == len(listed)
    assert json.loads(answer(HEAD, stored, n))["items"] == wanted[:n]
    assert json.loads(answer(HEAD, stored, 1000))["items"] == wanted


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_json_cannot_say_is_refused(score):
    with pytest.raises(EdgeError, match="item 'x' has the score"):
        value([Item("x", score, "als", "")])


@pytest.mark.parametrize("stored", [b"", b"\x02", b"{}", b"\x01\x00\x00"])
def test_what_is_not_a_list_is_refused(stored):
    with pytest.raises(EdgeError, match="not a list"):
        answer(HEAD, stored, 1)


def test_the_ladder_takes_the_first_list_that_has_items():
    lists = {
        "u:k": value(items("user", 1)),
        "u:empty": value([]),
        "r:DE": value(items("region", 1)),
        "c:new": value(items("cohort", 1)),
        "c:void": value([]),
        "g:": value(items("global", 1)),
    }

    def level(user_key, region, cohort=None):
        found = look_up(lists.get, user_key=user_key, region=region, cohort=cohort)
        assert found is not None
        assert found[1] == value(items(found[0], 1))
        return found[0]

    assert level("k", "DE") == "user"
    assert level("nobody", "DE") == "region"
    assert level("empty", "DE") == "region"
    assert level("nobody", "FR") == "global"
    assert level("nobody", None) == "global"
    assert level(None, None) == "global"
    assert level("k", "DE", "new") == "user"
    assert level("nobody", "DE", "new") == "cohort"
    assert level("empty", None, "new") == "cohort"
    assert level("nobody", "DE", "void") == "region"
    assert level("nobody", "DE", "DE") == "region"  # no cohort is called that
    assert level("nobody", "FR", "gone") == "global"
    assert look_up({}.get, user_key="k", region="DE", cohort="new") is None
