"""Records of text files: counted once while the file is digested, then read again in pieces.

Light to import, since Spark's Python workers do. All lines of a file have a number, from 1; headers
and lines of nothing but spaces are no records. Of CSV a record may be several lines (`quoting`),
and has the number of its first.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_batch.ingest.lines import HELD, LineBlocks, LineForm, codec_of

PIECE = 1 << 24  # bytes of a piece, and of what one task reads
_BOM = codecs.BOM_UTF8


@dataclass(frozen=True)
class Piece:
    """A run of records of a file that one task reads.

    Attributes
    ----------
    start, end
        Of text, bytes from the file's begin, at starts of records; of compressed text the whole.
        Of Parquet, row groups.
    line
        Number of the first line or row.
    records
        How many there are.
    """

    start: int
    end: int
    line: int
    records: int


@dataclass(frozen=True)
class _Cut:
    """Where the records of a block are.

    Attributes
    ----------
    numbers, starts, ends
        Of each record: number of its first line, first byte, and end.
    lines
        Lines of the block, as far as it is known which records they are.
    used
        Bytes of these.
    whole
        Whether each record is a line.
    """

    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: int
    used: int
    whole: bool


def _cut(
    block: bytes, line: int, form: LineForm, longest: int | None = None, *, more: bool = False
) -> _Cut:
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if line == 1 and form.is_utf8 and block.startswith(_BOM):
        starts[0] += len(_BOM)
    runs: list[tuple[int, int]] = []
    lines, used = len(ends), len(block)
    if form.quoting is not None and b'"' in block:
        runs, lines = form.quoting.runs(block, data, starts, ends, more=more)
        if lines < len(ends):
            used = int(starts[lines]) if lines else 0
            starts, ends = starts[:lines], ends[:lines]
    begins = np.ones(lines, np.bool_)
    for first, last in runs:
        begins[first + 1 : last + 1] = False
        ends[first] = ends[last]
    ends = ends - ((ends > starts) & (data[ends - 1] == ord("\r")))
    filled = begins & (ends > starts)
    for place in np.flatnonzero(filled & (data[np.minimum(starts, len(data) - 1)] == ord(" "))):
        filled[place] = bool(block[starts[place] : ends[place]].strip(b" "))
    if line == 1 and form.header and lines:
        filled[0] = False
    kept = np.flatnonzero(filled)
    starts, ends = starts[kept], ends[kept]
    if longest is not None:
        ends = np.minimum(ends, starts + longest)
    return _Cut(kept + line, starts, ends, lines, used, not runs)


def _cuts(
    blocks: Iterable[bytes],
    form: LineForm,
    line: int,
    longest: int | None = None,
    *,
    waits: bool = False,
) -> Iterator[tuple[bytes, _Cut, int]]:
    """Blocks of whole lines as blocks of whole records, each with how many bytes are held back.

    A record that is not at its end when a block is, is held back until the next; at the end, with
    `waits`, it is left out.
    """
    held = b""
    for each in blocks:
        block = held + each if held else each
        cut = _cut(block, line, form, longest, more=form.quoting is not None)
        held = block[cut.used :]
        line += cut.lines
        if cut.lines:
            yield block, cut, len(held)
    if held and not waits:
        yield held, _cut(held, line, form, longest), 0


def survey(
    blocks: LineBlocks | Iterable[bytes],
    form: LineForm,
    *,
    start: int = 0,
    line: int = 1,
    divide: bool = True,
    waits: bool = False,
    passed: Callable[[bytes], object] = len,
) -> tuple[Piece, ...]:
    """Count the records of blocks of whole lines and divide them into pieces.

    Parameters
    ----------
    start, line
        Where in the file the first block begins, and the number of its first line.
    divide
        False makes one piece: compressed text can only be read from its begin.
    waits
        Leave out a last record of several lines whose end is yet to come.
    passed
        Called with the bytes that are in pieces, in their order.
    """
    pieces: list[Piece] = []
    first, at, begun, records = line, start, start, 0
    for block, cut, held in _cuts(blocks, form, line, waits=waits):
        records += len(cut.numbers)
        line += cut.lines
        at = start + blocks.passed - held if isinstance(blocks, LineBlocks) else at + cut.used
        passed(block[: cut.used])
        if divide and at - begun >= PIECE:
            pieces.append(Piece(begun, at, first, records))
            first, begun, records = line, at, 0
    if at > begun:
        pieces.append(Piece(begun, at, first, records))
    return tuple(pieces)


def first_record(block: bytes, form: LineForm) -> bytes:
    """The first record of a file that begins with `block`, with its line end."""
    start = len(_BOM) if form.is_utf8 and block.startswith(_BOM) else 0
    end = -1 if form.quoting is None else form.quoting.end(block, start)
    assert end is not None
    return block[: (end if end > 0 else block.find(b"\n")) + 1] or block


def read_records(
    stream: Any, name: str, piece: Piece, form: LineForm, *, longest: int | None = None
) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Line numbers (int64) and records (binary) of a piece, a block at a time.

    Bytes that the encoding does not know make a record that is not valid UTF-8.

    Parameters
    ----------
    longest
        Bytes of UTF-8 that are kept of a record; None keeps all.
    """
    of_bytes = longest if form.is_utf8 else None
    held = None if longest is None else max(longest, HELD)
    plain = codec_of(name) is None
    if plain:
        stream.seek(piece.start)
    length = piece.end - piece.start if plain else None
    blocks = LineBlocks(stream, length, longest=held)
    for block, cut, _ in _cuts(blocks, form, piece.line, of_bytes):
        if len(cut.numbers):
            texts = (
                _as_they_are(block, cut) if form.is_utf8 else _transcoded(block, cut, form, longest)
            )
            # Not `pa.array`, which imports pandas: a second of every new worker.
            numbers = [None, pa.py_buffer(np.ascontiguousarray(cut.numbers))]
            yield pa.Array.from_buffers(pa.int64(), len(cut.numbers), numbers), texts


def _as_they_are(block: bytes, cut: _Cut) -> pa.Array:
    """The records as an Arrow array over one copy of the block without what lies between them."""
    offsets = np.zeros(len(cut.starts) + 1, np.int32)
    np.cumsum(cut.ends - cut.starts, out=offsets[1:])
    body = block[cut.starts[0] : cut.ends[-1]].replace(b"\n", b"") if cut.whole else b""
    if len(body) != offsets[-1]:  # more than line feeds lies between them: CRs, lines of spaces
        change = np.zeros(len(block) + 1, np.int8)
        change[cut.starts] = 1
        change[cut.ends] = -1
        inside = np.cumsum(change[:-1], dtype=np.int8).view(np.bool_)
        body = np.frombuffer(block, np.uint8)[inside].tobytes()
    return pa.Array.from_buffers(
        pa.binary(), len(cut.starts), [None, pa.py_buffer(offsets), pa.py_buffer(body)]
    )


def _transcoded(block: bytes, cut: _Cut, form: LineForm, longest: int | None) -> pa.Array:
    texts = [
        block[start:end].decode(form.encoding, "surrogateescape")
        for start, end in zip(cut.starts, cut.ends, strict=True)
    ]
    if cut.numbers[0] == 1:
        texts[0] = texts[0].lstrip("\ufeff")
    return pa.array(
        [text.encode("utf-8", "surrogatepass")[:longest] for text in texts], pa.binary()
    )
