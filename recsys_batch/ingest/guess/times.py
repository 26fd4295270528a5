"""Times as people write them, and the time format that reads them."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 0.9  # share of the values that must agree
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?P<clock>(?P<gap>[T ])\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?"
    r"(?P<zone> UTC|Z|[+-]\d{2}(:?\d{2})?)?)?"
)
_WRITTEN = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})"
    r"((?P<gap>[T ]|, )(?P<hour>\d{1,2}):\d{2}(?P<seconds>:\d{2}(?P<fraction>[.]\d{1,9})?)?"
    r"(?P<half> ?[AaPp][Mm])?)?"
)
_DIGITS = re.compile(r"\d+([.]\d+)?")
_FIRST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC).timestamp()
_LAST = dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp()
_EPOCHS = (("epoch_seconds", 1), ("epoch_millis", 10**3), ("micros", 10**6), ("nanos", 10**9))
_COMPACT = {8: ("yyyyMMdd", "%Y%m%d"), 14: ("yyyyMMddHHmmss", "%Y%m%d%H%M%S")}


@dataclass(frozen=True)
class TimeKind:
    """How the times of a column are written.

    Attributes
    ----------
    format
        iso, epoch_seconds, epoch_millis or a Spark datetime pattern.
    share
        Share of the values that are so written.
    zoned
        The times say their zone, or are epochs.
    clock
        They say the time of day.
    divisor
        By which the numbers are divided to be `format`; 1 for none.
    check
        What is uncertain about it, or empty.
    """

    format: str
    share: float
    zoned: bool = False
    clock: bool = True
    divisor: int = 1
    check: str = ""


def time_kind(values: Sequence[str]) -> TimeKind | None:
    """How times are written, or None where fewer than nine tenths of the values are times."""
    found = [kind for each in (_epoch, _iso, _compact, _written) if (kind := each(values))]
    best = max(found, key=lambda kind: kind.share, default=None)
    return best if best and best.share >= MOST else None


def _epoch(values: Sequence[str]) -> TimeKind | None:
    numbers = [float(value) for value in values if _DIGITS.fullmatch(value)]
    for name, scale in _EPOCHS:
        inside = sum(_FIRST * scale <= number < _LAST * scale for number in numbers)
        if inside and inside >= MOST * len(values):
            divisor = {"micros": 10**3, "nanos": 10**6}.get(name, 1)
            known = name if divisor == 1 else "epoch_millis"
            return TimeKind(known, inside / len(values), zoned=True, divisor=divisor)
    return None


def _iso(values: Sequence[str]) -> TimeKind | None:
    found = [match for match in map(_ISO.fullmatch, values) if match and _is_day(*match.groups())]
    if not found:
        return None
    zoned = sum(bool(match["zone"]) for match in found)
    check = ""
    if 0 < zoned < len(found):
        check = f"{zoned} of {len(found)} times say their zone; the others are read in time_zone"
    clock = any(match["clock"] for match in found)
    return TimeKind(_iso_format(found), len(found) / len(values), zoned > 0, clock, check=check)


def _iso_format(found: list[re.Match[str]]) -> str:
    """Spark's own reading of ISO times does not know offsets of hours alone, such as +02."""
    if not all(re.fullmatch(r"[+-]\d{2}", match["zone"] or "") for match in found):
        return "iso"
    gap = "'T'" if found[0]["gap"] == "T" else " "
    return f"yyyy-MM-dd{gap}HH:mm[:ss][.SSSSSSSSS]X"


def _is_day(year: str, month: str, day: str, *_: str | None) -> bool:
    try:
        dt.date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _compact(values: Sequence[str]) -> TimeKind | None:
    for length, (pattern, python) in _COMPACT.items():
        good = sum(len(value) == length and _parses(value, python) for value in values)
        if good:
            return TimeKind(pattern, good / len(values), clock=length > 8)
    return None


def _parses(value: str, pattern: str) -> bool:
    try:
        found = dt.datetime.strptime(value, pattern).replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return False
    return _FIRST <= found < _LAST


def _written(values: Sequence[str]) -> TimeKind | None:
    matches = [match for match in map(_WRITTEN.fullmatch, values) if match]
    if not matches:
        return None
    shape = Counter(map(_shape, matches)).most_common(1)[0][0]
    alike = [match for match in matches if _shape(match) == shape]
    sep, _, year_first, last = shape
    if not year_first and last not in {2, 4}:
        return None
    order, check = ("ymd", "") if year_first else _order(alike)
    place = dict(zip(order, "abc", strict=True))
    good = [
        match
        for match in alike
        if 1 <= int(match[place["d"]]) <= 31 and 1 <= int(match[place["m"]]) <= 12
    ]
    if not good:
        return None
    count = _letters([match[place[part]] for match in good for part in "dm"])
    year = "yyyy" if len(good[0][place["y"]]) == 4 else "yy"
    written = {"d": "d" * count, "m": "M" * count, "y": year}
    clock, has_clock = _clock(good)
    pattern = sep.join(written[part] for part in order) + clock
    return TimeKind(pattern, len(good) / len(values), clock=has_clock, check=check)


def _shape(match: re.Match[str]) -> tuple[str, str, bool, int]:
    """What all times of a column share: separators, whether the year leads, digits at the end."""
    year_first = len(match["a"]) == 4
    return match["sep"], match["gap"] or " ", year_first, 0 if year_first else len(match["c"])


def _order(matches: list[re.Match[str]]) -> tuple[str, str]:
    """Whether day or month comes first, and what is uncertain about it."""
    first = sum(int(match["a"]) > 12 for match in matches)
    second = sum(int(match["b"]) > 12 for match in matches)
    if first != second:
        return ("dmy", "") if first > second else ("mdy", "")
    if matches[0]["sep"] == ".":
        return "dmy", ""
    days = {match["a"] for match in matches}, {match["b"] for match in matches}
    if any(match["half"] for match in matches) or len(days[1]) > len(days[0]):
        order, said = "mdy", "month before day"
    else:
        order, said = "dmy", "day before month"
    return order, f"no value says whether the day or the month comes first; {said} was assumed"


def _letters(numbers: list[str]) -> int:
    """Two where zeros fill up numbers, else one, which reads one digit and two."""
    padded = any(number.startswith("0") for number in numbers)
    return 2 if padded and all(len(number) == 2 for number in numbers) else 1


def _clock(matches: list[re.Match[str]]) -> tuple[str, bool]:
    clocks = [match for match in matches if match["hour"]]
    if not clocks:
        return "", False
    half = any(match["half"] for match in clocks)
    letter = "h" if half else "H"
    text = letter * _letters([match["hour"] for match in clocks]) + ":mm"
    for part, pattern in (("seconds", ":ss"), ("fraction", ".SSSSSSSSS")):
        count = sum(bool(match[part]) for match in clocks)
        if count:
            optional = count < len(clocks) or part == "fraction"
            text += f"[{pattern}]" if optional else pattern
    if half:
        text += " a" if any(" " in (match["half"] or "") for match in clocks) else "a"
    gap = {"T": "'T'"}.get(clocks[0]["gap"], clocks[0]["gap"])
    text = gap + text
    return (text if len(clocks) == len(matches) else f"[{text}]"), True
