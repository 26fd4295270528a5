"""The other files of a folder: the widest glob whose files look like the one at hand."""

from __future__ import annotations

import csv
import glob
import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_batch.config import FileFormat
from recsys_batch.ingest.lines import codec_of, text_stream

_LINE = 1 << 20  # bytes read of a file
_SIBLINGS = 500  # files of the folder compared


def landing_pattern(
    file: Path, made: FileFormat, names: tuple[str, ...]
) -> tuple[str, str, tuple[str, ...]]:
    """The widest glob whose files look like this one, why, and siblings that look different."""
    ending = "".join(file.suffixes[-2:]) if codec_of(file.name) else file.suffix
    folder, suffix = file.parent, glob.escape(ending)
    stem = re.match(r"\D*", file.stem)
    prefix = glob.escape(stem.group() if stem else "")
    siblings = sorted(each for each in folder.glob(f"*{suffix}") if each.is_file())[:_SIBLINGS]
    different = {each for each in siblings if not _alike(each, made, names)}
    alone = glob.escape(file.name)
    for pattern in (f"*{suffix}", f"{prefix}*{suffix}") if file.suffix else ():
        matched = [each for each in siblings if each.match(pattern)]
        if not different.intersection(matched):
            why = f"{len(matched)} file(s) of the folder match it, and all look like this one"
            return pattern, why, tuple(sorted(each.name for each in different))
    others = tuple(sorted(each.name for each in different))
    return alone, "other files of the folder look different, so only this one is taken", others


def _alike(other: Path, made: FileFormat, names: tuple[str, ...]) -> bool:
    try:
        if made.format == "parquet":
            return set(pq.read_schema(other).names) == set(names)
        with other.open("rb") as handle:
            text_lines = io.BufferedReader(text_stream(handle, other.name))
            line = text_lines.readline(_LINE).decode(made.encoding, "replace")
    except (OSError, pa.ArrowException):
        return False
    text = line.lstrip("\ufeff").rstrip("\r\n")
    if not text:
        return True
    if made.format == "jsonl":
        try:
            keys = set(json.loads(text))
        except (json.JSONDecodeError, TypeError):
            return False
        return 2 * len(keys & set(names)) >= len(keys | set(names))
    cells = [cell.strip() for cell in split_line(text, made.delimiter)]
    return cells == list(names) if made.header else len(cells) == len(names)


def split_line(text: str, delimiter: str) -> list[str]:
    """The cells of one CSV line (RFC 4180 quoting); none where it cannot be split."""
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []
