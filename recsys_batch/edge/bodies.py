"""Lists, serialised when a store is built; a request takes the first `n` items by a slice.

A stored value is a version byte, the number of items, an offset table and the JSON text of the
items. The table says where the text ends after 0, 1, 2, ... items, so an answer is the head of its
publication and level, that much of the text and the two closing brackets. So equal lists have equal
values in every publication. Neither names a user.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Literal, get_args

import msgspec

from recsys_batch.errors import EdgeError

Level = Literal["user", "cohort", "region", "global"]
LEVELS: tuple[Level, ...] = get_args(Level)
GLOBAL_KEY = "g:"
MAX_KEY_BYTES = 511  # LMDB's limit

_VERSION = 2
_HEADER = struct.Struct("<BH")
_END = struct.Struct("<I")
_CLOSE = b"]}"
_encode = msgspec.json.Encoder().encode


class Item(msgspec.Struct, frozen=True, gc=False):
    """One recommendation: the item, its score, and the source and reason that explain it."""

    item_id: str
    score: float
    source: str
    reason: str


def user_entry(user_key: str) -> str:
    """Return the store's key of a user's list; `user_key` is the pseudonym, never the id."""
    return f"u:{user_key}"


def region_entry(region: str) -> str:
    """Return the store's key of a region's list."""
    return f"r:{region}"


def cohort_entry(cohort: str) -> str:
    """Return the store's key of a cohort's list."""
    return f"c:{cohort}"


def segment_entry(level: str, segment: str | None) -> str:
    """Return the store's key of the list of a row of `topn_segment`."""
    if segment is None:
        return GLOBAL_KEY
    return cohort_entry(segment) if level == "cohort" else region_entry(segment)


def answer_head(*, publication_id: str, as_of: str, level: Level) -> bytes:
    """Return what stands before the items of an answer.

    Parameters
    ----------
    publication_id
        The publication that answers.
    as_of
        Its logical day, ``YYYY-MM-DD``.
    level
        Whose list it is.
    """
    empty = {"publication": publication_id, "as_of": as_of, "level": level, "items": []}
    return _encode(empty)[: -len(_CLOSE)]


def encode_list(items: Iterable[Item], *, where: str) -> bytes:
    """Serialise one list as the store keeps it.

    Parameters
    ----------
    items
        The list, best first; at most 65,535.
    where
        Whose it is, for errors; no user's name.

    Raises
    ------
    EdgeError
        A score is not a finite number, or the list is too long.
    """
    listed = list(items)
    for each in listed:
        if not math.isfinite(each.score):
            raise EdgeError(
                f"item {each.item_id!r} has the score {each.score}",
                where=where,
                fix="drop items without a finite score before exporting",
            )
    if len(listed) > 0xFFFF:
        raise EdgeError(
            f"a list holds {len(listed)} items",
            where=where,
            fix="set recommend.n to 65535 or fewer",
        )
    fragments = [*map(_encode, listed)]
    fragments[1:] = [b"," + each for each in fragments[1:]]
    ends = list(accumulate(map(len, fragments), initial=0))
    table = struct.pack(f"<{len(ends)}I", *ends)
    return _HEADER.pack(_VERSION, len(listed)) + table + b"".join(fragments)


def item_count(value: bytes) -> int:
    """Return how many items a stored value holds; raise `EdgeError` if it is not one."""
    if len(value) < _HEADER.size or value[0] != _VERSION:
        raise EdgeError(
            "a stored value is not a list that this version reads",
            where="edge store",
            fix="export the publication again with this version",
        )
    return int(_HEADER.unpack_from(value)[1])


def answer(head: bytes, value: bytes, n: int) -> bytes:
    """Return an answer's JSON: its head and the first `n` items of a stored value, or all."""
    count = item_count(value)
    (end,) = _END.unpack_from(value, _HEADER.size + _END.size * min(n, count))
    start = _HEADER.size + _END.size * (count + 1)
    return b"".join((head, value[start : start + end], _CLOSE))


def look_up(
    get: Callable[[str], bytes | None],
    *,
    user_key: str | None,
    region: str | None,
    cohort: str | None = None,
) -> tuple[Level, bytes] | None:
    """Return level and value of the first list found: user's, cohort's, region's, the global.

    Parameters
    ----------
    get
        A store's `get`.
    user_key, region, cohort
        The steps of the ladder; None skips one. An empty list counts as none.
    """
    steps: tuple[tuple[Level, str | None, Callable[[str], str]], ...] = (
        ("user", user_key, user_entry),
        ("cohort", cohort, cohort_entry),
        ("region", region, region_entry),
    )
    for level, name, entry in steps:
        if name is not None and (value := get(entry(name))) and item_count(value):
            return level, value
    if (value := get(GLOBAL_KEY)) and item_count(value):
        return "global", value
    return None
