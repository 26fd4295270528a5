"""The most memory that a tree of processes holds, and the most that a call adds to this one."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from recsys_batch.lake.cost import PeakMemory


@contextlib.contextmanager
def peak_memory(pid: int) -> Iterator[PeakMemory]:
    """Look at a process and its children while a block runs; the greatest sum is in `bytes`.

    Of memory that several processes share, each counts its part (PSS), so that the sum is what the
    machine has to hold; pages of mapped files that are in memory count, too.
    """
    memory = PeakMemory(pid, of=_proportional)
    memory.start()
    try:
        yield memory
    finally:
        memory.stop()


def _proportional(process: psutil.Process) -> int:
    return int(process.memory_full_info().pss)


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
