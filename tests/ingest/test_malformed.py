"""Malformed lines by the ten thousand: each quarantined for its reason, none lost, none taken.

A line is a good one of which one thing was broken, in one of the ways that its reason covers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.soak import TIMES
from pyspark.sql import SparkSession

from recsys_batch.contracts.rules import EVENT_RULES
from recsys_batch.ingest.conservation import Conservation

from .shops import Shop, shop

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SEED, MALFORMED, FILES = 4, 10_000 * TIMES, 5
COLUMNS = ("id", "ts", "kind", "u", "i", "v", "q", "p", "pos", "prob", "ok")
LINE = 400  # bytes of the longest line
LIMITS = {"max_line_bytes": LINE, "max_value": 5000, "max_quantity": 100, "max_price": 900}
MAPPING = shop(
    types=[{"type": "purchase", "when": "kind = 'buy'"}, {"type": "view", "when": "kind = 'see'"}],
    fields={
        "event_id": "id",
        "user_id": "u",
        "item_id": "i",
        "value": "v",
        "quantity": "q",
        "price": "p",
        "position": "pos",
        "propensity": "prob",
        "consent": "ok",
    },
    limits=LIMITS,
)
NO_NUMBER = ("abc", "1.2.3", "--3", "1e", "0x1F", "Infinity", "-Infinity", "12 pcs", "½")
NO_TIME = ("never", "2026-13-01", "2026-02-30", "2026-01-01T25:00:00", "31/12", "1.5", "T", "-")


def number(low: float, high: float) -> Callable[[random.Random], str]:
    return lambda draw: f"{draw.uniform(low, high):.3f}"


def one_of(*values: str) -> Callable[[random.Random], str]:
    return lambda draw: draw.choice(values)


def day_in(first: int, last: int) -> Callable[[random.Random], str]:
    return lambda draw: (
        f"{draw.randint(first, last)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
    )


OUTSIDE = (number(-9, 0), number(1.001, 9))
# Reason: the field that is broken, and a way to break it.
BREAKS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "missing_item": ("i", one_of("")),
    "missing_time": ("ts", one_of("")),
    "bad_time": ("ts", one_of(*NO_TIME)),
    "time_out_of_range": ("ts", day_in(1000, 1989)),
    "future_time": ("ts", day_in(2027, 9998)),
    "unknown_type": ("kind", one_of("", "BUY", "sold", "buy see", "null")),
    "bad_value": ("v", one_of(*NO_NUMBER)),
    "bad_quantity": ("q", one_of(*NO_NUMBER)),
    "bad_price": ("p", one_of(*NO_NUMBER)),
    "bad_position": ("pos", one_of("first", "--1", "1e", "99999999999999999999")),
    "bad_propensity": ("prob", one_of(*NO_NUMBER)),
    "negative_quantity": ("q", number(-1e6, 0)),
    "negative_price": ("p", number(-1e6, -0.001)),
    "value_over_limit": ("v", number(LIMITS["max_value"] + 1, 1e12)),
    "quantity_over_limit": ("q", number(LIMITS["max_quantity"] + 1, 1e12)),
    "price_over_limit": ("p", number(LIMITS["max_price"] + 1, 1e12)),
    "position_out_of_range": ("pos", lambda draw: str(-draw.randint(0, 10**6))),
    "propensity_out_of_range": ("prob", lambda draw: draw.choice(OUTSIDE)(draw)),
    "bad_consent": ("ok", one_of("maybe", "2", "oui", "-")),
}


def good(draw: random.Random, number: int) -> dict[str, str]:
    return {
        "id": f"e{number}",
        "ts": f"2026-01-0{draw.randint(1, 9)}T{draw.randint(0, 23):02}:00:00Z",
        "kind": draw.choice(("buy", "see")),
        "u": f"u{draw.randint(1, 500)}",
        "i": f"i{draw.randint(1, 200)}",
        "v": draw.choice(("", "4.5")),
        "q": draw.choice(("", "1", "3")),
        "p": draw.choice(("", "0", "9.99")),
        "pos": draw.choice(("", "1", "12")),
        "prob": draw.choice(("", "1", "0.25")),
        "ok": draw.choice(("", "true", "false")),
    }


def line(draw: random.Random, number: int, reason: str | None) -> bytes:
    fields = good(draw, number)
    if reason in BREAKS:
        name, breaking = BREAKS[reason]
        fields[name] = breaking(draw)
    text = ",".join(fields[name] for name in COLUMNS)
    if reason == "malformed":
        text = draw.choice((text.rsplit(",", 1)[0], f"{text},more", "x", ",,,", f'"{text}'))
    if reason == "oversized":
        text += "x" * draw.choice((LINE + 1 - len(text), LINE, 5000))
    encoded = text.encode()
    if reason == "not_utf8":
        place = encoded.index(b",") + 1
        encoded = encoded[:place] + bytes([draw.randint(0x80, 0xFF)]) + encoded[place:]
    return encoded


def test_every_malformed_line_is_quarantined_for_its_reason(
    spark: SparkSession, tmp_path: Path
) -> None:
    assert {rule.reason for rule in EVENT_RULES} == {
        *(*BREAKS, "malformed", "not_utf8", "oversized"),
    }
    draw = random.Random(SEED)
    reasons: list[str | None] = draw.choices([rule.reason for rule in EVENT_RULES], k=MALFORMED)
    reasons += [None] * 1000
    draw.shuffle(reasons)
    expected: dict[tuple[str, int], tuple[str, bytes]] = {}
    files: dict[str, str | bytes] = {}
    for part in range(FILES):
        lines = [",".join(COLUMNS).encode()]
        for number in range(part, len(reasons), FILES):
            reason = reasons[number]
            lines.append(line(draw, number, reason))
            if reason is not None:
                expected[f"{part}.csv", len(lines)] = (reason, lines[-1])
        files[f"{part}.csv"] = b"\n".join(lines) + b"\n"
    made = Shop(spark, tmp_path, MAPPING)
    taken = made.take(files)
    assert taken["events"] == Conservation(FILES, MALFORMED + 1000, 1000, MALFORMED, 0)
    found = {
        (row["file"], row["line"]): (row["reason"], row["record"])
        for row in made.lake.read("quarantine").toArrow().to_pylist()
    }
    assert found.keys() == expected.keys()
    wrong = {
        place: (found[place], expected[place])
        for place in expected
        if found[place][0] != expected[place][0]
        or (
            expected[place][0] != "not_utf8"
            and found[place][1].encode() != expected[place][1][:LINE]
        )
    }
    assert not wrong, list(wrong.items())[:5]
