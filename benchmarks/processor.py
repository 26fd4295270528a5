"""Seconds of processors, which other work on a machine stretches less than those of the clock."""

from __future__ import annotations

import psutil


def processor_seconds() -> float:
    """Seconds of processors that this process, its JVM and its workers have taken so far."""
    total = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:  # its parent counts what it took
            continue
    return total
