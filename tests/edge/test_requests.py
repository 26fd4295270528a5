import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.edge.requests import PREFIX, RequestError, Wanted, parse_request


def parse(user, query=b""):
    return parse_request(PREFIX + user, query, default_n=10)


@pytest.mark.parametrize(
    ("user", "query", "wanted"),
    [
        (b"alice", b"", Wanted("alice", None, 10)),
        (b"alice", b"n=1", Wanted("alice", None, 1)),
        (b"alice", b"n=1000&region=DE", Wanted("alice", "DE", 1000)),
        (b"a%2Fb%20c+d", b"region=New+York", Wanted("a/b c+d", "New York", 10)),
        (b"%C3%BC", b"region=%C3%84", Wanted("ü", "Ä", 10)),
        (b"alice", b"utm=x&n=07", Wanted("alice", None, 7)),
        (b"alice", b"cohort=18-24", Wanted("alice", None, 10, "18-24")),
        (b"alice", b"region=DE&n=2&cohort=%C3%A4+b", Wanted("alice", "DE", 2, "ä b")),
        (b"..", b"", Wanted("..", None, 10)),
    ],
)
def test_what_a_request_means(user, query, wanted):
    assert parse(user, query) == wanted


@pytest.mark.parametrize(
    ("user", "query", "status", "where"),
    [
        (b"", b"", 404, "path"),
        (b"a/b", b"", 404, "path"),
        (b"../../etc/passwd", b"", 404, "path"),
        (b"a/", b"", 404, "path"),
        (b"%ff", b"", 400, "user"),
        (b"%c3", b"", 400, "user"),
        (b"%zz", b"", 400, "user"),
        (b"%", b"", 400, "user"),
        (b"%ed%a0%80", b"", 400, "user"),
        (b"\xff", b"", 400, "user"),
        (b"a" * 257, b"", 400, "user"),
        (b"a" * 5000, b"", 414, "path"),
        (b"a", b"region=" + b"x" * 5000, 414, "path"),
        (b"a", b"n=0", 400, "n"),
        (b"a", b"n=-1", 400, "n"),
        (b"a", b"n=", 400, "n"),
        (b"a", b"n=1.5", 400, "n"),
        (b"a", b"n=1e9", 400, "n"),
        (b"a", b"n=1001", 400, "n"),
        (b"a", b"n=1000000000", 400, "n"),
        (b"a", b"n=" + b"9" * 4000, 400, "n"),
        (b"a", b"n=%D9%A3", 400, "n"),  # an Arabic three
        (b"a", b"n=%20%203", 400, "n"),
        (b"a", b"n=1&n=2", 400, "query"),
        (b"a", b"region=%ff", 400, "query"),
        (b"a", b"region=%f", 400, "query"),
        (b"a", b"region=\xff", 400, "query"),
        (b"a", b"&".join([b"x%d=1" % i for i in range(17)]), 400, "query"),
        (b"a", b"region=", 400, "region"),
        (b"a", b"region=" + b"x" * 101, 400, "region"),
        (b"a", b"cohort=", 400, "cohort"),
        (b"a", b"cohort=" + b"x" * 101, 400, "cohort"),
        (b"a", b"cohort=x&cohort=y", 400, "query"),
    ],
)
def test_what_is_refused_and_where(user, query, status, where):
    with pytest.raises(RequestError) as caught:
        parse(user, query)
    assert (caught.value.status, caught.value.where) == (status, where)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_refusal_that_does_not_repeat_the_user(user, query):
    try:
        wanted = parse(user, query)
    except RequestError as error:
        assert 400 <= error.status <= 499
    else:
        assert 1 <= wanted.n <= 1000
        assert len(wanted.user.encode()) <= 256
