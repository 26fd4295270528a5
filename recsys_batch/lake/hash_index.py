"""An index of hashes by day: sorted runs on the disk, probed by binary search.

It answers on which days a hash may have been seen in steps that grow with the logarithm of what it
holds, not with what it holds. Runs are merged as in a log-structured merge tree (O'Neil, Cheng,
Gawlick, O'Neil 1996): a new run swallows its neighbours that are no more than twice its size. What
it says too much costs a look at a day in vain and nothing else; it never says too little.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NAME = re.compile(r"(\d{12})-(\d{12})-([0-9a-f]+)\.run")
_ENTRY = 12  # bytes: a hash of eight and a day of four
_LARGEST = 1 << 26  # entries of a merged run, so that merging takes less than 2 GiB


@dataclass(frozen=True)
class Run:
    """Hashes of the rows of consecutive batches, in ascending order, each with its day.

    Attributes
    ----------
    first, last
        The batches, both included.
    name
        The last batch's digest, by which a run of another history of the lake is told.
    """

    path: Path
    first: int
    last: int
    name: str

    @property
    def entries(self) -> int:
        """How many hashes it holds."""
        return self.path.stat().st_size // _ENTRY

    @cached_property
    def hashes(self) -> NDArray[np.int64]:
        """Its hashes, mapped into memory."""
        return np.memmap(self.path, np.int64, "r", shape=(self.entries,))

    @cached_property
    def days(self) -> NDArray[np.int32]:
        """Their days since 1970-01-01, mapped into memory."""
        return np.memmap(self.path, np.int32, "r", 8 * self.entries, (self.entries,))


@dataclass(frozen=True)
class HashIndex:
    """The runs of a folder. One process writes, any number read.

    Parameters
    ----------
    folder
        Where they lie; it need not exist, and may be removed: what it held is added anew.
    batches
        Complete batches and their digests. Runs that end with another batch are passed over.
    """

    folder: Path
    batches: Mapping[int, str]

    def runs(self) -> list[Run]:
        """Runs without a gap from the first batch on, none within another."""
        found: list[Run] = []
        for run in sorted(self._named(), key=lambda each: (each.first, -each.last)):
            whole = run.path.stat().st_size % _ENTRY == 0
            known = self.batches.get(run.last) == run.name
            if whole and known and run.first == (found[-1].last + 1 if found else 1):
                found.append(run)
        return found

    def covered(self) -> int:
        """The last batch whose rows are here; 0 where there is none."""
        return max((run.last for run in self.runs()), default=0)

    def add(self, last: int, hashes: NDArray[np.int64], days: NDArray[np.int32]) -> None:
        """Add the rows of the batches after those covered, up to `last`.

        Killed at any moment, it has added all of them or none.

        Parameters
        ----------
        hashes, days
            Of each row, in any order.
        """
        if not len(hashes):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        runs = self.runs()
        first, parts, size = self.covered() + 1, [(hashes, days)], len(hashes)
        while runs and runs[-1].entries <= min(2 * size, _LARGEST - size):
            swallowed = runs.pop()
            parts.append((swallowed.hashes, swallowed.days))
            first, size = swallowed.first, size + swallowed.entries
        made = self._write(Run(self._path(first, last), first, last, self.batches[last]), parts)
        kept = {made, *(run.path for run in runs)}
        for path in self.folder.iterdir():
            if path not in kept:
                path.unlink()

    def days_of(self, hashes: NDArray[np.int64]) -> NDArray[np.int32]:
        """Days, ascending, on which any of these hashes was seen."""
        wanted, found = np.unique(hashes), [np.empty(0, np.int32)]
        for run in self.runs():
            left = np.searchsorted(run.hashes, wanted, "left")
            right = np.searchsorted(run.hashes, wanted, "right")
            while (there := left < right).any():  # once, but for ids whose hashes are the same
                found.append(np.unique(run.days[left[there]]))
                left, right = left[there] + 1, right[there]
        return np.unique(np.concatenate(found))

    def _named(self) -> list[Run]:
        found = []
        for path in self.folder.glob("*.run"):
            if match := _NAME.fullmatch(path.name):
                found.append(Run(path, int(match[1]), int(match[2]), match[3]))
        return found

    def _path(self, first: int, last: int) -> Path:
        return self.folder / f"{first:012}-{last:012}-{self.batches[last]}.run"

    def _write(self, run: Run, parts: list[tuple[NDArray[np.int64], NDArray[np.int32]]]) -> Path:
        hashes = np.concatenate([part[0] for part in parts]).astype(np.int64, copy=False)
        days = np.concatenate([part[1] for part in parts]).astype(np.int32, copy=False)
        order = np.argsort(hashes, kind="stable")
        aside = run.path.with_suffix(f".{os.getpid()}")
        with aside.open("wb") as out:
            out.write(hashes[order].data)
            out.write(days[order].data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(run.path)
        return run.path
