"""How a file is written: format, character set, delimiter, header, and its first records.

Plain Python, no Spark: it looks at the first records only, and cuts them at line ends exactly as
`recsys_batch.ingest.records` does, so that what it finds is what ingest will find.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from recsys_batch.config import FileFormat
from recsys_batch.errors import LandingError
from recsys_batch.ingest.guess.records import (
    Rows,
    cell_text,
    csv_records,
    first_rows,
    is_parquet,
    json_records,
    refused,
    unreadable,
)
from recsys_batch.ingest.guess.siblings import landing_pattern
from recsys_batch.ingest.lines import text_stream
from recsys_batch.ingest.parse import BROKEN, LANDED

RECORDS = 5000  # records looked at
_LINE = 1 << 20  # bytes of a line beyond which it counts as no text
_RESERVED = {LANDED, BROKEN}
_UNREAD = {
    **dict.fromkeys((".orc", ".avro", ".arrow", ".feather"), "this is not a landing format"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet is not a landing format"),
    **dict.fromkeys((".bz2", ".zip", ".xz", ".7z", ".tar"), "only .gz and .zst are decompressed"),
    **dict.fromkeys((".xml", ".db", ".sqlite", ".pkl", ".npz"), "this is not a landing format"),
}
_DIFFERENT = (
    "other files of the folder look different and are not taken: {}; "
    "a catalogue of items goes under dataset.items"
)
_AS_TEXT = "export it as CSV or as JSON lines, in UTF-8"


@dataclass(frozen=True)
class Sample:
    """The first records of a file and how they are written.

    Attributes
    ----------
    source
        Format, delimiter, header, columns, encoding and the landing pattern.
    names
        The columns; of JSON the keys of any record, sorted; of Parquet those without parts. One
        may be empty.
    rows
        A record a tuple in the order of `names`; null, absent and empty are None.
    whole
        The file has no further records.
    why
        What each choice of `source` rests on, by its key.
    checks
        What a person should look at.
    """

    source: FileFormat
    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    whole: bool
    why: dict[str, str]
    checks: tuple[str, ...]


def look(file: Path) -> Sample:
    """Look at a file's first records.

    Raises
    ------
    LandingError
        It is missing, a folder, empty, damaged, or neither CSV, JSON lines nor Parquet.
    """
    _require_file(file)
    if is_parquet(file):
        return _parquet(file)
    lines, whole = _first_lines(file)
    texts, encoding, why_encoding, checks = _decoded(lines)
    filled = [(number, text) for number, text in enumerate(texts, 1) if text.strip()]
    if not filled:
        raise LandingError("the file is empty", where=str(file), fix="name a file with records")
    first = filled[0][1].lstrip()
    if first.startswith("["):
        raise refused(file, "it is one JSON array", "write one JSON object a line")
    read = json_records if first.startswith("{") else csv_records
    made, names, rows, broken, why = read(file, filled, encoding)
    why["encoding"] = why_encoding
    if broken:
        what = "columns" if made.format == "csv" else "form of one JSON object a line"
        checks.append(
            f"{len(broken)} of {len(filled)} lines, the first of them line {broken[0]}, do not have"
            f" the {what} of the others and will be quarantined"
        )
    _require_usable(file, names, rows)
    pattern, why["pattern"], others = landing_pattern(file, made, names)
    if others:
        checks.append(_DIFFERENT.format(", ".join(others[:5])))
    return Sample(
        made.model_copy(update={"pattern": pattern}), names, rows, whole, why, tuple(checks)
    )


def _parquet(file: Path) -> Sample:
    """Look at the first rows of a Parquet file; only its flat columns can be proposed."""
    try:
        schema, records, whole = first_rows(file, RECORDS)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(file, error) from error
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    names = tuple(name for name in schema.names if name not in nested)
    rows = tuple(tuple(cell_text(record[name]) for name in names) for record in records)
    _require_usable(file, names, rows)
    made = FileFormat(pattern="*", format="parquet")
    pattern, why, others = landing_pattern(file, made, tuple(schema.names))
    checks = [_DIFFERENT.format(", ".join(others[:5]))] if others else []
    if nested:
        checks.append(
            f"columns with parts were not looked at: {', '.join(nested)}; SQL reaches into them, "
            f"such as {nested[0]}.part or {nested[0]}[0]"
        )
    reasons = {"pattern": why, "format": "it begins as Parquet files do"}
    return Sample(
        made.model_copy(update={"pattern": pattern}), names, rows, whole, reasons, tuple(checks)
    )


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise refused(file, "this is a folder", "name one file of it; its siblings are found")
    if not file.exists():
        raise refused(file, "there is no such file", "correct the path")
    if file.suffix.lower() in _UNREAD:
        raise refused(file, _UNREAD[file.suffix.lower()], _AS_TEXT)


def _first_lines(file: Path) -> tuple[list[bytes], bool]:
    try:
        with file.open("rb") as handle:
            text = io.BufferedReader(text_stream(handle, file.name))
            lines = list(islice(iter(lambda: text.readline(_LINE), b""), RECORDS + 1))
            whole = not text.read(1)
    except OSError as error:
        raise unreadable(file, error) from error
    head = lines[0] if lines else b""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refused(file, "it is UTF-16 text", "save it as UTF-8")
    if any(b"\x00" in line for line in lines):
        raise refused(file, "it is binary and no text", _AS_TEXT)
    if any(len(line) == _LINE for line in lines):
        raise refused(file, "it has a line of more than a megabyte", "put one record on each line")
    return lines, whole


def _decoded(lines: list[bytes]) -> tuple[list[str], str, str, list[str]]:
    """The lines as text, the encoding, why it is that, and what to check."""
    foreign = [line for line in lines if not line.isascii()]
    invalid = sum(not _is_utf8(line) for line in foreign)
    encoding, checks = "UTF-8", []
    why = "the bytes read are valid UTF-8"
    if not foreign:
        why = "every byte read is ASCII, which UTF-8 contains"
    elif 2 * invalid > len(foreign):
        encoding = "ISO-8859-1"
        why = "the bytes read are not valid UTF-8, and any bytes are ISO-8859-1"
        checks.append("the file is not UTF-8 and was taken as ISO-8859-1: look at its accents")
    elif invalid:
        why = "most lines with letters beyond ASCII are valid UTF-8"
        checks.append(f"{invalid} lines are not valid UTF-8 and will be quarantined as not_utf8")
    text = b"".join(lines).decode(encoding, "replace")
    if encoding == "UTF-8" and text.startswith("\ufeff"):
        text = text.lstrip("\ufeff")
        why = "the file starts with a UTF-8 byte order mark, which is skipped"
    return [line.rstrip("\r") for line in text.split("\n")], encoding, why, checks


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _require_usable(file: Path, names: tuple[str, ...], rows: Rows) -> None:
    where = f"{file}, line 1"
    count = Counter(name.lower() for name in names)
    repeated = sorted({name or "''" for name in names if count[name.lower()] > 1})
    if repeated:
        raise LandingError(
            f"columns {', '.join(repeated)} have the same name (upper and lower case are one)",
            where=where,
            fix="give each column a name of its own",
        )
    reserved = sorted(name for name in names if name.lower() in _RESERVED)
    if reserved:
        raise LandingError(
            f"ingest uses the column name {reserved[0]!r} itself",
            where=where,
            fix="rename that column in the file",
        )
    if not rows:
        raise LandingError(
            "there is no record below the header", where=str(file), fix="name a file with records"
        )
