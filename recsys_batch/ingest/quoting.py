"""Records of CSV over several lines: a field in quotes may hold line ends (RFC 4180).

Lines are one record only where that record is whole and strict: each of its fields in quotes ends
before a delimiter or a line end, within so many bytes. An open quote of which that is not so
belongs to its own line alone, and the lines after it are records as ever.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_QUOTE = ord('"')
_FEED = ord("\n")
_BODY = re.compile(rb'"(?:[^"]++|"")*+')  # a field in quotes, but for the last of them


@dataclass(frozen=True)
class Quoting:
    """How fields are parted and quoted.

    Attributes
    ----------
    delimiter
        Bytes between two fields.
    most
        Bytes that a record of several lines may have.
    """

    delimiter: bytes
    most: int

    @cached_property
    def _record(self) -> re.Pattern[bytes]:
        """A record but for its line feed, as far as it is strict."""
        part = re.escape(self.delimiter)
        other = rb"[^\n%b]" % part if len(self.delimiter) == 1 else rb"(?!%b)[^\n]" % part
        quoted = rb'"(?:[^"]++|"")*+"(?=%b|\r?\n|\r?\Z)' % part
        field = rb'(?:%b|(?!")(?:%b)++)?+' % (quoted, other)
        return re.compile(rb"%b(?:%b%b)*+\r?+" % (field, part, field))

    def end(self, block: bytes, start: int, *, more: bool = False) -> int | None:
        """Where a record that begins at `start` ends, its line feed left out.

        Parameters
        ----------
        more
            Whether other bytes follow the block.

        Returns
        -------
        int or None
            -1 where that is not strict within `most` bytes; None where more must be read to tell.
        """
        most = min(start + self.most, len(block))
        found = self._record.match(block, start, most)
        end = found.end() if found else start
        if end == len(block) or block[end] == _FEED:
            return end if end < len(block) or not more else None
        cut_off = most == len(block) and more
        body = _BODY.match(block, end, most)
        return None if cut_off and body is not None and body.end() == most else -1

    def runs(
        self,
        block: bytes,
        data: NDArray[np.uint8],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        *,
        more: bool,
    ) -> tuple[list[tuple[int, int]], int]:
        """Runs of lines that are one record.

        Parameters
        ----------
        block
            Whole lines, the first of which begins a record.
        data
            The same.
        starts, ends
            Of each line, ends without the line feed.
        more
            Whether other bytes follow the block.

        Returns
        -------
        list, int
            First and last line of each run; and of how many lines it is known which records they
            are, which is all unless `more`.
        """
        found: list[tuple[int, int]] = []
        last = -1
        for line in self._doubtful(data, starts, ends):
            if line <= last:
                continue
            end = self.end(block, int(starts[line]), more=more)
            if end is None:
                return found, line
            if end > ends[line]:
                last = int(np.searchsorted(ends, end))
                found.append((line, last))
        return found, len(starts)

    def _doubtful(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[int]:
        """Lines that may go on in the next, if they begin a record.

        They have an odd number of quotes, or one that stands where no field begins and that opens
        none, after which nothing can be told by counting.
        """
        quotes = np.flatnonzero(data == _QUOTE)
        until = np.searchsorted(quotes, ends)
        counts = np.diff(until, prepend=0)
        odd = (counts & 1).astype(np.bool_)
        if len(self.delimiter) > 1:
            return np.flatnonzero(counts).tolist()
        if odd.any():
            first = np.repeat(until - counts, counts)
            opening = quotes[(np.arange(len(quotes)) - first) % 2 == 0]
        else:
            opening = quotes[0::2]
        before = data[opening - 1]
        stray = opening[(before != self.delimiter[0]) & (before != _FEED) & (before != _QUOTE)]
        doubtful = odd
        if len(stray):
            lines = np.searchsorted(ends, stray)
            lines = lines[starts[lines] != stray]
            doubtful[lines] = True
        return np.flatnonzero(doubtful).tolist()


def quoting(delimiter: str, encoding: str, most: int) -> Quoting | None:
    """The quoting of a CSV file; None where its bytes cannot be told apart without decoding them.

    That is the case of encodings in which a byte below 128 may be a part of another character.
    """
    name = codecs.lookup(encoding).name
    if name not in {"utf-8", "utf-8-sig", "ascii"}:
        every = bytes(range(256))
        apart = "".join(bytes([each]).decode(name, "replace") for each in every)
        if len(apart) != len(every) or every.decode(name, "replace") != apart:
            return None
    return Quoting(delimiter.encode(name.removesuffix("-sig")), most)
