"""Ways in which a clean line goes bad, each with a known reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


def _put(**changes: Any) -> Callable[[Record], Record]:
    return lambda record: {**record, **changes}


def _far_future(record: Record) -> Record:
    time = str(record["event_time"])
    return {**record, "event_time": f"{int(time[:4]) + 10}-06-15{time[10:]}"}


FIELD_FAULTS: dict[str, Callable[[Record], Record]] = {
    "missing_item": _put(item_id=None),
    "bad_time": _put(event_time="yesterday at noon"),
    "unknown_type": _put(event_type="teleport"),
    "negative_quantity": _put(event_type="purchase", quantity=-2),
    "bad_price": _put(price="twelve"),
    "future_time": _far_future,
}
FAULTS: tuple[str, ...] = (*FIELD_FAULTS, "broken_line")
"""Kinds of dirty lines: a required field without value, a time that cannot be parsed, an event
type outside the contract, a purchase of minus two, a price that is no number, a time ten years
ahead, and a line cut in the middle (too few columns, or broken JSON)."""


def spoil(line: bytes, *, fault: str, columns: list[str], json_lines: bool) -> bytes:
    """Return the line with one fault.

    Parameters
    ----------
    line
        A clean line without its line end; CSV fields hold neither commas nor quotes.
    fault
        One of `FAULTS`.
    columns
        Column names in the order of the CSV file.
    json_lines
        Whether the line is a JSON object instead of CSV.
    """
    if fault == "broken_line":
        return line[: len(line) // 2]
    text = line.decode()
    if json_lines:
        return json.dumps(FIELD_FAULTS[fault](json.loads(text)), separators=(",", ":")).encode()
    record = FIELD_FAULTS[fault](dict(zip(columns, text.split(","), strict=True)))
    return ",".join("" if each is None else str(each) for each in record.values()).encode()
