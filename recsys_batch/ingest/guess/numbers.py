"""Numbers as people write them, and the SQL that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 0.9  # share of the values that must agree


@dataclass(frozen=True)
class NumberKind:
    """How numbers are written: the SQL that makes ``{}``, a column, a plain number, and why."""

    sql: str
    why: str
    share: float


_PLAIN = re.compile(r"[+-]?(\d+([.]\d*)?|[.]\d+)([eE][+-]?\d+)?")
_NUMBERS = (
    ("{}", "plain numbers", _PLAIN),
    (
        "replace(replace({}, '.', ''), ',', '.')",
        "numbers with a decimal comma",
        re.compile(r"[+-]?(\d+|\d{1,3}([.]\d{3})+)(,\d+)?"),
    ),
    (
        "replace({}, ',', '')",
        "numbers with a comma between thousands",
        re.compile(r"[+-]?\d{1,3}(,\d{3})*([.]\d+)?"),
    ),
    (
        "regexp_replace({}, '[^0-9.-]', '')",
        "amounts with a currency sign",
        re.compile(r"-?[$€£¥]? ?-?\d+(,\d{3})*([.]\d+)? ?[$€£¥]?"),
    ),
    (
        "replace(regexp_replace({}, '[^0-9,-]', ''), ',', '.')",
        "amounts with a currency sign and a decimal comma",
        re.compile(r"-?[$€£¥]? ?-?\d+([.]\d{3})*(,\d+)? ?([$€£¥]|EUR)?"),
    ),
)


def number_kind(values: Sequence[str]) -> NumberKind | None:
    """How numbers are written, or None where fewer than nine tenths of the values are numbers."""
    best: NumberKind | None = None
    for sql, why, regex in _NUMBERS:
        share = sum(bool(regex.fullmatch(value)) for value in values) / max(1, len(values))
        if share >= MOST and (best is None or share > best.share):
            best = NumberKind(sql, why, share)
    return best


def is_number(text: str) -> bool:
    """Whether a text is a number, however written."""
    return any(regex.fullmatch(text) for _, _, regex in _NUMBERS)


def to_number(text: str, kind: NumberKind) -> float | None:
    """The number that Spark makes of a text with the SQL of `kind`; None where it is none."""
    if "decimal comma" in kind.why:
        text = text.replace(".", "").replace(",", ".")
    text = re.sub(r"[^0-9.eE+-]", "", text)
    return float(text) if _PLAIN.fullmatch(text) else None
