"""The most memory that a tree of processes holds, and the most that a call adds to this one."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil

INTERVAL = 0.5  # seconds between two looks at a tree


class PeakMemory:
    """Look at a process and its children twice a second, and keep the greatest sum.

    Of memory that several processes share, each counts its part (PSS), so that the sum is what the
    machine has to hold; pages of mapped files that are in memory count, too.

    Attributes
    ----------
    bytes
        The greatest sum seen between entering and leaving.
    """

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        held = 0
        try:
            for process in (self._root, *self._root.children(recursive=True)):
                held += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return  # one ended while it was looked at: the next look has the rest
        self.bytes = max(self.bytes, held)


def added(run: Callable[[], object]) -> int:
    """Call, and return how many bytes more than before this process held at its fullest.

    By the kernel's own high-water mark, which Linux lets a process set back. What was freed before
    the call is given back first, or the call could use it unseen.
    """
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    """A field of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
