"""Lines to records: JSON objects, or cells between the delimiter that splits most lines alike.

And the first rows of Parquet files.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_batch.config import FileFormat
from recsys_batch.errors import LandingError
from recsys_batch.ingest.guess.numbers import is_number
from recsys_batch.ingest.guess.siblings import split_line
from recsys_batch.ingest.guess.times import time_kind
from recsys_batch.ingest.guess.words import name_is_known
from recsys_batch.ingest.lines import HELD
from recsys_batch.ingest.parquet import ready
from recsys_batch.ingest.quoting import Quoting

_DELIMITERS = (",", ";", "\t", "|")

Rows = tuple[tuple[str | None, ...], ...]
# Format, columns, records, numbers of the lines that are no record, and why by key of the format.
Read = tuple[FileFormat, tuple[str, ...], Rows, list[int], dict[str, str]]


def json_records(file: Path, lines: list[tuple[int, str]], encoding: str) -> Read:
    """Read JSON lines; the columns are the keys of any of them."""
    found: list[dict[str, str | None]] = []
    broken: list[int] = []
    for number, line in lines:
        try:
            content = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except (json.JSONDecodeError, RecursionError):
            content = None
        if isinstance(content, dict):
            found.append({key: _json_text(value) for key, value in content.items()})
        else:
            broken.append(number)
    if len(found) <= len(broken):
        raise refused(file, "it is no JSON object a line", "write each object on one line")
    names = tuple(sorted({key for each in found for key in each}))
    rows = tuple(tuple(each.get(name) for name in names) for each in found)
    made = FileFormat.model_validate({"pattern": "*", "format": "jsonl", "encoding": encoding})
    return made, names, rows, broken, {"format": "its lines are JSON objects"}


def _json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    return json.dumps(value)


def csv_records(file: Path, lines: list[tuple[int, str]], encoding: str) -> Read:
    """Read delimited lines, with a header or without."""
    delimiter, width, share = _delimiter(lines)
    if width < 2:
        hint = "convert :: to a tab" if "::" in lines[0][1] else "separate columns by , ; tab or |"
        raise refused(file, "no delimiter splits its lines into columns", hint)
    whole = _whole(lines, delimiter)
    cells = [(number, split_line(text, delimiter)) for number, text in whole]
    broken = [number for number, row in cells if len(row) != width]
    rows = [tuple(cell.strip() or None for cell in row) for _, row in cells if len(row) == width]
    header = len(cells[0][1]) == width and _is_header(rows)
    names = tuple(f"col_{place}" for place in range(width))
    why = {
        "format": "its lines are delimited columns",
        "delimiter": f"it splits {share:.1%} of the records into {width} columns",
        "header": "line 1 holds a number or a time, so it is a record",
    }
    if header:
        names = tuple(cell or "" for cell in rows[0])
        rows = rows[1:]
        why["header"] = "line 1 holds names: no cell of it is a number or a time"
    made = FileFormat(
        pattern="*",
        delimiter=delimiter,
        header=header,
        columns=() if header else names,
        encoding=encoding,
    )
    return made, names, tuple(rows), broken, why


def _delimiter(lines: list[tuple[int, str]]) -> tuple[str, int, float]:
    """The delimiter that splits most records alike, then into most columns."""
    best = (0.0, 1, ",")
    for each in _DELIMITERS:
        records = _whole(lines, each)
        counts = Counter(len(split_line(text, each)) for _, text in records)
        width, alike = counts.most_common(1)[0]
        if width > 1:
            best = max(best, (round(alike / len(records), 2), width, each))
    share, width, delimiter = best
    return delimiter, width if share >= 0.5 else 1, share


def _whole(lines: list[tuple[int, str]], delimiter: str) -> list[tuple[int, str]]:
    """Lines as ingest makes records of them, each with the number of its first."""
    texts = [text.encode() for _, text in lines]
    block = b"\n".join(texts)
    ends = [place - 1 for place in accumulate(len(text) + 1 for text in texts)]
    quoted = Quoting(delimiter.encode(), HELD)
    records: list[tuple[int, str]] = []
    last = -1
    for place, (number, text) in enumerate(lines):
        if place <= last:
            continue
        last = place
        start = ends[place] - len(texts[place])
        end = quoted.end(block, start) if '"' in text else -1
        if end is not None and end > ends[place]:
            last = bisect_left(ends, end)
            text = block[start:end].decode()
        records.append((number, text))
    return records


def _is_header(rows: list[tuple[str | None, ...]]) -> bool:
    cells = [cell for cell in rows[0] if cell]
    if any(is_number(cell) or time_kind([cell]) for cell in cells):
        return False
    if any(name_is_known(cell) for cell in cells) or len(rows) == 1:
        return True
    below = [{row[place] for row in rows[1:]} for place in range(len(rows[0]))]
    return not any(cell in seen for cell, seen in zip(rows[0], below, strict=True) if cell)


def is_parquet(file: Path) -> bool:
    """Whether a file is named, or begins, as Parquet files do."""
    if file.suffix.lower() in {".parquet", ".pq"}:
        return True
    try:
        with file.open("rb") as handle:
            return handle.read(4) == b"PAR1"
    except OSError:
        return False


def first_rows(file: Path, count: int) -> tuple[pa.Schema, list[dict[str, Any]], bool]:
    """The schema of a Parquet file, its first rows, and whether those are all."""
    with pq.ParquetFile(file) as parquet:
        found = next(parquet.iter_batches(count), None)
        records = [] if found is None else found.cast(ready(found.schema), safe=False).to_pylist()
        return parquet.schema_arrow, records, parquet.metadata.num_rows <= count


def cell_text(value: object) -> str | None:
    """A value of Parquet as the text that ingest makes of it, for guessing what it is."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, bool):
        value = str(value).lower()
    return None if value is None else str(value).strip() or None


def unreadable(file: Path, error: Exception) -> LandingError:
    """The error of a file that cannot be read."""
    if isinstance(error, OSError) and error.errno is not None:
        what = f"it cannot be read ({error.strerror})"
        return refused(file, what, "give this user the right to read it")
    what = f"it is damaged or cut off ({' '.join(str(error).split())[:150]})"
    return refused(file, what, "name a file that is whole")


def refused(file: Path, what: str, fix: str) -> LandingError:
    """The error of a file that cannot be taken."""
    return LandingError(what, where=str(file), fix=fix)
