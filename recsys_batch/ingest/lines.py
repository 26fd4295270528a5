"""Lines of text files: how a file is written, and its bytes in blocks of whole lines.

Light to import, since Spark's Python workers do. A line ends with LF or CRLF.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from recsys_batch.ingest.quoting import Quoting

BLOCK = 1 << 22  # bytes read at a time
HELD = 1 << 22  # bytes held of a line that is longer than a record may be
_CODECS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class LineForm:
    """What of a text file's form decides about its lines.

    Attributes
    ----------
    quoting
        How a field may go on over line ends; None: every line is a record.
    """

    header: bool
    encoding: str
    quoting: Quoting | None = None

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes of a line are its record as they are."""
        return codecs.lookup(self.encoding).name in {"utf-8", "utf-8-sig", "ascii"}


def codec_of(name: str) -> str | None:
    """Return the codec that a file's name says it is compressed with; None where it is not."""
    return next((codec for suffix, codec in _CODECS.items() if name.lower().endswith(suffix)), None)


def text_stream(handle: Any, name: str) -> Any:
    """Return the text of an open file, decompressed where its name ends with .gz or .zst.

    Reading raises `OSError` (without an errno) where the compressed data are damaged or cut off.
    """
    codec = codec_of(name)
    return handle if codec is None else pa.CompressedInputStream(pa.PythonFile(handle, "r"), codec)


class LineBlocks:
    """Blocks of whole lines: each but the last ends with a line feed.

    Parameters
    ----------
    stream
        Anything with ``read(bytes)``.
    length
        Bytes to read; None reads to the end.
    longest
        Bytes that are held of a line that is not yet at its end; what follows them may be missing
        from its block. None holds all.

    Attributes
    ----------
    passed
        Bytes of the blocks so far, with those that are missing.
    """

    def __init__(self, stream: Any, length: int | None = None, *, longest: int | None = None):
        self._stream, self._length, self._longest = stream, length, longest
        self.passed = 0

    def __iter__(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        held = read = 0
        while block := self._stream.read(self._most(read)):
            cut = block.rfind(b"\n") + 1
            if cut:
                self.passed = read + cut
                yield b"".join([*parts, block[:cut]])
                parts, held = [], 0
            read += len(block)
            left = None if self._longest is None else max(0, self._longest - held)
            if rest := block[cut:][:left]:
                parts.append(rest)
                held += len(rest)
        self.passed = read
        if parts:
            yield b"".join(parts)

    def _most(self, read: int) -> int:
        return BLOCK if self._length is None else min(BLOCK, self._length - read)
