import json
import os
import signal
import time

import httpx
import pytest

from recsys_batch.edge.manifest import DATA
from recsys_batch.edge.rollback import promote
from recsys_batch.edge.service import bind, serve
from recsys_batch.edge.store import store_folder
from recsys_batch.errors import SetupError

from .samples import AT, build, flip_bit, raw, server

USER = "/v1/recommendations/000007"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    build(home, "p1")
    promote(home, "p1", actor="job", at=AT)
    return home


@pytest.fixture(scope="module")
def url(home):
    with server(home) as (url, _):
        yield url


@pytest.fixture(scope="module")
def http(url):
    with httpx.Client(base_url=url) as client:
        yield client


def until(condition, seconds=8.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_an_answer_byte_for_byte(http):
    answer = http.get(USER, params={"n": 2})
    assert answer.status_code == 200
    assert answer.content == (
        b'{"publication":"p1","as_of":"2026-01-01","level":"user","items":['
        b'{"item_id":"p1-i0","score":1.0,"source":"als","reason":"taste of p1"},'
        b'{"item_id":"p1-i1","score":0.875,"source":"als","reason":"taste of p1"}]}'
    )
    headers = answer.headers
    assert headers["content-type"] == "application/json"
    assert headers["etag"] == '"p1-user-2"'
    assert headers["x-publication"] == "p1"
    assert headers["cache-control"] == "private, max-age=300"
    assert "000007" not in answer.text


@pytest.mark.parametrize(
    ("path", "level", "count"),
    [
        (USER, "user", 5),
        (USER + "?n=3&region=DE", "user", 3),
        ("/v1/recommendations/nobody?region=DE&n=1", "region", 1),
        ("/v1/recommendations/nobody?region=FR", "global", 5),
        (USER + "?cohort=new", "user", 5),
        ("/v1/recommendations/nobody?region=DE&cohort=new&n=2", "cohort", 2),
        ("/v1/recommendations/nobody?region=DE&cohort=old", "region", 5),
        ("/v1/recommendations/nobody?region=FR&cohort=old", "global", 5),
        ("/v1/recommendations/nobody?n=1000", "global", 5),
        ("/v1/recommendations/g%3A", "global", 5),
    ],
)
def test_the_ladder(http, path, level, count):
    body = http.get(path).json()
    assert (body["level"], len(body["items"])) == (level, count)


def test_a_current_copy_is_answered_304(http):
    etag = http.get(USER).headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = http.get(USER, headers={"If-None-Match": given})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["x-publication"] == "p1"
    for stale in ('"other"', etag.strip('"'), '"p1-user-9"'):
        assert http.get(USER, headers={"If-None-Match": stale}).status_code == 200


def test_request_ids_are_kept_if_harmless_and_made_if_not(http):
    given = http.get(USER, headers={"X-Request-Id": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    made = {
        http.get(USER, headers={"X-Request-Id": bad}).headers["x-request-id"]
        for bad in ("", "a b", "x" * 65, '"><script>')
    }
    assert len(made) == 4
    assert all(each.replace("-", "").isalnum() for each in made)


def test_head_answers_headers_only(http):
    head, get = http.head(USER), http.get(USER)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/recommendations", 404),
        ("GET", "/v1/recommendations/", 404),
        ("GET", "/v1/recommendations/a/b", 404),
        ("GET", "/CURRENT", 404),
        ("GET", USER + "?n=-1", 400),
        ("GET", USER + "?n=1000000000", 400),
        ("GET", USER + "?n=1e9", 400),
        ("GET", USER + "?region=", 400),
        ("GET", USER + "?cohort=", 400),
        ("GET", "/v1/recommendations/%ff%fe", 400),
        ("POST", USER, 405),
        ("PUT", "/healthz", 405),
        ("DELETE", "/v1/recommendations/a", 405),
    ],
)
def test_a_refusal_says_what_and_what_to_do(http, method, path, status):
    answer = http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"what", "where", "fix"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/recommendations/../../../../etc/passwd",
        b"/v1/recommendations/..%2f..%2fCURRENT/..",
        b"/../CURRENT",
        b"//CURRENT",
        b"/" + b"a" * (1 << 20),
        b"/v1/recommendations/" + b"a" * (1 << 20),
        b"/v1/recommendations/a?n=" + b"1" * (1 << 20),
        b"/v1/recommendations/%00%ff",
        b"/v1/recommendations/\xff\xfe",
        b"no-slash",
        b"\x00",
    ],
    ids=range(11),
)
def test_hostile_targets_get_a_4xx_and_nothing_else(url, target):
    answer = raw(url, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4"), answer[:80]
    assert b"root:" not in answer
    assert b'"current"' not in answer
    assert len(answer) < 1000
    assert httpx.get(url + USER).status_code == 200


def test_an_encoded_dot_dot_is_only_a_user_nobody_knows(url):
    target = b"/v1/recommendations/..%2F..%2FCURRENT"
    answer = raw(url, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"HTTP/1.1 200" in answer
    assert b'"level":"global"' in answer


def test_health_metrics_and_openapi(http):
    for path in ("/healthz", "/readyz"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["publication"]) == (200, "p1")
    document = http.get("/openapi.json").json()
    asked = document["paths"]["/v1/recommendations/{user}"]["get"]["parameters"]
    assert [each["name"] for each in asked] == ["user", "n", "region", "cohort", "If-None-Match"]
    levels = document["components"]["schemas"]["Answer"]["properties"]["level"]["enum"]
    assert levels == ["user", "cohort", "region", "global"]  # the ladder's order
    before = _metric(http, 'recsys_edge_requests_total{level="user",status="200"}')
    count = _metric(http, "recsys_edge_request_seconds_count")
    for _ in range(3):
        http.get(USER)
    http.get(USER + "?n=0")
    http.get("/v1/recommendations/nobody?cohort=new")
    assert _metric(http, 'recsys_edge_requests_total{level="cohort",status="200"}') >= 1
    assert _metric(http, 'recsys_edge_requests_total{level="user",status="200"}') == before + 3
    assert _metric(http, "recsys_edge_request_seconds_count") == count + 5
    assert _metric(http, 'recsys_edge_request_seconds_bucket{le="+Inf"}') == count + 5
    assert _metric(http, 'recsys_edge_publication_info{publication="p1"}') == 1


def _metric(http, name):
    text = http.get("/metrics").text
    return float(dict(line.rsplit(" ", 1) for line in text.splitlines())[name])


def test_a_raw_id_is_never_logged_not_even_when_something_breaks(tmp_path):
    build(tmp_path, "p1")
    promote(tmp_path, "p1", actor="job", at=AT)
    with server(tmp_path) as (url, _):
        assert httpx.get(f"{url}/v1/recommendations/alice@example.com").status_code == 200
        assert httpx.get(f"{url}/v1/recommendations/alice@example.com?n=0").status_code == 400
        broken = httpx.get(f"{url}/v1/recommendations/boom-alice@example.com")
    assert broken.status_code == 500
    assert "alice" not in broken.text
    log = (tmp_path / "server.log").read_text()
    assert broken.headers["x-request-id"] in log
    assert "ValueError" in log
    assert "alice" not in log


def test_without_a_publication_503_until_there_is_one(tmp_path):
    with server(tmp_path) as (url, _):
        for path in (USER, "/healthz", "/readyz"):
            assert httpx.get(url + path).status_code == 503
        assert "publish one" in httpx.get(url + USER).json()["error"]["fix"]
        assert httpx.get(url + "/metrics").status_code == 200
        build(tmp_path, "p1")
        promote(tmp_path, "p1", actor="job", at=AT)
        until(lambda: httpx.get(url + "/healthz").status_code == 200)
        assert httpx.get(url + USER).json()["publication"] == "p1"


def test_a_damaged_publication_is_refused_and_the_last_good_one_serves(tmp_path):
    build(tmp_path, "p1")
    promote(tmp_path, "p1", actor="job", at=AT)
    with server(tmp_path) as (url, _), httpx.Client(base_url=url) as http:
        build(tmp_path, "p2")
        promote(tmp_path, "p2", actor="job", at=AT)
        until(lambda: http.get(USER).json()["publication"] == "p2")
        flip_bit(store_folder(tmp_path, "p1") / DATA, 70_001)
        _point_at(tmp_path, "p1")
        until(lambda: _metric(http, "recsys_edge_reload_failures_total") >= 1)
        assert http.get(USER).json()["publication"] == "p2"
        health = http.get("/healthz")
        assert health.status_code == 200
        assert health.json()["publication"] == "p2"
        assert "SHA-256" in health.json()["refused"]
        assert "publication refused" in (tmp_path / "server.log").read_text()
        build(tmp_path, "p1")  # an export mends the store, and the service tries again
        until(lambda: http.get(USER).json()["publication"] == "p1")
        assert http.get("/healthz").json()["refused"] == ""


def _point_at(home, publication):
    """Damage struck after the promotion verified the store."""
    (home / "CURRENT").write_text(json.dumps({"current": publication, "previous": None}))


def test_a_pointer_that_vanishes_or_breaks_stops_nothing(tmp_path):
    build(tmp_path, "p1")
    promote(tmp_path, "p1", actor="job", at=AT)
    with server(tmp_path) as (url, _), httpx.Client(base_url=url) as http:
        until(lambda: http.get("/healthz").status_code == 200)
        (tmp_path / "CURRENT").write_bytes(b"\xff")
        until(lambda: _metric(http, "recsys_edge_reload_failures_total") >= 1)
        (tmp_path / "CURRENT").unlink()
        time.sleep(0.5)
        assert http.get(USER).json()["publication"] == "p1"
        build(tmp_path, "p2")
        promote(tmp_path, "p2", actor="job", at=AT)
        until(lambda: http.get(USER).json()["publication"] == "p2")


def test_a_port_in_use_is_one_sentence(tmp_path):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError) as caught:
            serve(tmp_path, port=port, user_key=str, announce=print)
    assert str(caught.value) == (
        f"127.0.0.1:{port}: the port cannot be bound (Address already in use); "
        "stop what listens there, or choose another port (0 picks a free one)."
    )


def test_an_address_of_another_machine_is_refused(tmp_path):
    with pytest.raises(SetupError, match=r"192\.0\.2\.1:0: the port cannot be bound"):
        serve(tmp_path, host="192.0.2.1", user_key=str)


def test_sigterm_ends_the_server_in_order(tmp_path):
    build(tmp_path, "p1")
    promote(tmp_path, "p1", actor="job", at=AT)
    with server(tmp_path) as (url, pid):
        until(lambda: _answers(url))
        os.kill(pid, signal.SIGTERM)
        until(lambda: not _answers(url))
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def _answers(url):
    try:
        return httpx.get(url + "/healthz").status_code == 200
    except httpx.TransportError:
        return False
