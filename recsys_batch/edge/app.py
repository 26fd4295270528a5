"""The ASGI callable that answers from the live publication; no framework, no per-request JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

from recsys_batch.edge import openapi
from recsys_batch.edge.bodies import look_up
from recsys_batch.edge.live import LivePublication
from recsys_batch.edge.metrics import CONTENT_TYPE, Metrics
from recsys_batch.edge.requests import PREFIX, RequestError, parse_request, unknown_path

Message = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]

_log = logging.getLogger("recsys_batch.edge")
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_READ = frozenset((b"if-none-match", b"x-request-id"))
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Answer(NamedTuple):
    """An HTTP answer; `level` is the ladder's step, or "none" where no list was found."""

    status: int
    headers: Headers
    body: bytes
    level: str = "none"


class EdgeApp:
    """The edge service as an ASGI application.

    Parameters
    ----------
    home
        The dataset's folder, with `CURRENT` and ``edge/``.
    user_key
        Maps the caller's user id to the key the lists are stored under.
    n
        Items answered when a request names no n.
    max_age_seconds
        How long a caller may reuse an answer.
    poll_seconds
        How often the pointer is looked at; a rollback takes that long plus the verification.
    """

    def __init__(
        self,
        home: Path,
        *,
        user_key: Callable[[str], str],
        n: int = 10,
        max_age_seconds: int = 300,
        poll_seconds: float = 0.2,
    ) -> None:
        self.metrics = Metrics()
        self.live = LivePublication(home, metrics=self.metrics)
        self._user_key = user_key
        self._n = n
        self._cache = (b"cache-control", b"private, max-age=%d" % max_age_seconds)
        self._poll_seconds = poll_seconds
        self._openapi = openapi.document(default_n=n)
        self._process = secrets.token_hex(6).encode()  # request ids differ between processes
        self._numbers = itertools.count(1)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one connection's event, as ASGI 3 has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(
        self,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await receive()
        await self.live.refresh()
        follower = asyncio.create_task(self.live.follow(poll_seconds=self._poll_seconds))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        self.live.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Message, send: Callable[[Message], Awaitable[None]]) -> None:
        started = time.perf_counter()
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        asked = {name: value for name, value in scope["headers"] if name in _READ}
        request_id = asked.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = b"%b-%d" % (self._process, next(self._numbers))
        answer = self._answer(scope, raw_path, asked.get(b"if-none-match"), request_id)
        headers = [*answer.headers, (b"x-request-id", request_id)]
        if answer.status != 304:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        if raw_path.startswith(PREFIX):
            seconds = time.perf_counter() - started
            self.metrics.observe(answer.level, answer.status, seconds)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _answer(
        self, scope: Message, raw_path: bytes, if_none_match: bytes | None, request_id: bytes
    ) -> Answer:
        """Route a request; whatever goes wrong becomes an answer that names no user."""
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise RequestError(
                    405,
                    "only GET and HEAD are answered",
                    where="method",
                    fix="send a GET request",
                )
            if raw_path.startswith(PREFIX):
                return self._recommend(raw_path, scope["query_string"], if_none_match)
            return self._other(raw_path)
        except RequestError as error:
            return _refusal(error.status, error.what, error.where, error.fix)
        except Exception as error:  # no traceback: its message could hold the user id
            _log.error("request %s failed: %s", request_id.decode(), type(error).__name__)
            return _refusal(500, "the service failed", "service", "report the X-Request-Id")

    def _recommend(self, raw_path: bytes, query: bytes, if_none_match: bytes | None) -> Answer:
        wanted = parse_request(raw_path, query, default_n=self._n)
        store = self.live.store
        if store is None:
            return _refusal(
                503,
                "no publication is in service",
                "service",
                "publish one with `recsys-batch run`, or roll back to a kept one",
            )
        found = look_up(
            store.get,
            user_key=self._user_key(wanted.user),
            region=wanted.region,
            cohort=wanted.cohort,
        )
        if found is None:
            return _refusal(
                404, "there is no list, not even a global one", "store", "export a global list"
            )
        level, value = found
        publication = store.publication_id.encode()
        etag = b'"%b-%b-%d"' % (publication, level.encode(), wanted.n)
        headers = [(b"etag", etag), self._cache, (b"x-publication", publication)]
        if if_none_match is not None and _matches(if_none_match, etag):
            return Answer(304, headers, b"", level)
        return Answer(200, [*headers, _JSON], store.answer(level, value, wanted.n), level)

    def _other(self, raw_path: bytes) -> Answer:
        if raw_path == b"/metrics":
            store = self.live.store
            body = self.metrics.render(store.publication_id if store is not None else None)
            return Answer(200, [(b"content-type", CONTENT_TYPE), _NO_STORE], body)
        if raw_path == b"/openapi.json":
            return Answer(200, [_JSON], self._openapi)
        if raw_path in (b"/healthz", b"/readyz"):
            return self._health()
        raise unknown_path()

    def _health(self) -> Answer:
        """Healthy and ready mean that some publication answers, even if a newer was refused."""
        store = self.live.store
        body = {
            "status": "ok" if store is not None else "unavailable",
            "publication": store.publication_id if store is not None else None,
            "refused": self.live.refused,
        }
        return Answer(
            200 if store is not None else 503, [_JSON, _NO_STORE], json.dumps(body).encode()
        )


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """Compare weakly, as RFC 9110 section 13.1.2 asks for If-None-Match."""
    given = (each.strip().removeprefix(b"W/") for each in if_none_match.split(b","))
    return any(each in (b"*", etag) for each in given)


def _refusal(status: int, what: str, where: str, fix: str) -> Answer:
    body = json.dumps({"error": {"what": what, "where": where, "fix": fix}}).encode()
    headers = [_JSON, _NO_STORE]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    return Answer(status, headers, body)
