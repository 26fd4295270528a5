"""What a recommendation request may say, and how it is refused.

Everything is bounded and decoded strictly. A refusal never repeats the user part of the path.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from recsys_batch.errors import EdgeError

PREFIX = b"/v1/recommendations/"
MAX_N = 1000
MAX_USER_BYTES = 256
MAX_SEGMENT_CHARACTERS = 100  # of a region, and of a cohort
MAX_TARGET_BYTES = 4096
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class RequestError(EdgeError):
    """A request that is refused with an HTTP `status` of 400 to 499."""

    def __init__(self, status: int, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where=where, fix=fix)
        self.status = status


class Wanted(NamedTuple):
    """A valid request: whose list, region and cohort to fall back to, and how many items."""

    user: str
    region: str | None
    n: int
    cohort: str | None = None


def parse_request(raw_path: bytes, query: bytes, *, default_n: int) -> Wanted:
    """Read the path and query of a recommendation request, as they came over the wire.

    Raises
    ------
    RequestError
        Too long (414), not a path of this service (404), or not valid (400).
    """
    if len(raw_path) + len(query) > MAX_TARGET_BYTES:
        raise RequestError(
            414,
            f"the path and query exceed {MAX_TARGET_BYTES} bytes",
            where="path",
            fix="send a shorter request",
        )
    user = raw_path[len(PREFIX) :]
    if not user or b"/" in user:
        raise unknown_path()
    region, n, cohort = _query(query, default_n)
    return Wanted(_user(user), region, n, cohort)


def unknown_path() -> RequestError:
    """Return the refusal of a path this service does not have."""
    return RequestError(
        404,
        "there is nothing at this path",
        where="path",
        fix="ask for /v1/recommendations/USER with '/' in USER written as %2F; see /openapi.json",
    )


def _user(raw: bytes) -> str:
    try:
        user = _decoded(raw)
    except ValueError as error:
        raise RequestError(
            400,
            "the user is not percent-encoded UTF-8",
            where="user",
            fix="percent-encode the UTF-8 bytes of the user id",
        ) from error
    if len(user.encode()) > MAX_USER_BYTES:
        raise RequestError(
            400,
            f"the user exceeds {MAX_USER_BYTES} bytes",
            where="user",
            fix="send the user id as it is in the events",
        )
    return user


def _decoded(raw: bytes) -> str:
    if b"%" in raw:
        if _BAD_ESCAPE.search(raw):
            raise ValueError("malformed percent-escape")
        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8")


@lru_cache(maxsize=1024)  # few distinct queries make up nearly all requests
def _query(query: bytes, default_n: int) -> tuple[str | None, int, str | None]:
    fields = _fields(query) if query else {}
    region, cohort = (_segment(fields.get(name), name) for name in ("region", "cohort"))
    return region, _n(fields.get("n"), default_n), cohort


def _fields(query: bytes) -> dict[str, str]:
    try:
        if _BAD_ESCAPE.search(query):
            raise ValueError("malformed percent-escape")
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=16
        )
    except ValueError as error:
        raise RequestError(
            400,
            "the query is not percent-encoded UTF-8, or has over 16 fields",
            where="query",
            fix="send at most n, region and cohort, percent-encoded",
        ) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestError(
            400, "a query field is repeated", where="query", fix="send each field once"
        )
    return fields


def _n(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_N):
        raise RequestError(
            400,
            f"n is not a whole number from 1 to {MAX_N}",
            where="n",
            fix=f"send n=1 to n={MAX_N}, or leave it out for {default}",
        )
    return int(text)


def _segment(text: str | None, name: str) -> str | None:
    if text is not None and not 1 <= len(text) <= MAX_SEGMENT_CHARACTERS:
        raise RequestError(
            400,
            f"{name} is not 1 to {MAX_SEGMENT_CHARACTERS} characters long",
            where=name,
            fix=f"send a {name} of the data, or leave it out",
        )
    return text
