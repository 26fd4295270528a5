"""What the machine has: memory, disk, ports, clock and time zones."""

from __future__ import annotations

import os
import re
import shutil
import socket
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

from recsys_batch.errors import SetupError

_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_memory(text: str, *, where: str = "spark.driver_memory") -> int:
    """Return the bytes of an amount as Spark writes it, such as ``512m`` or ``4g``.

    Parameters
    ----------
    where
        The setting, for the error.

    Raises
    ------
    SetupError
        It is not such an amount.
    """
    match = re.fullmatch(r"(\d+)([kmgt])b?", text.lower())
    if not match:
        raise SetupError(
            f"{text!r} is not an amount of memory",
            where=where,
            fix="write it like 512m or 4g",
        )
    return int(match[1]) * _UNITS[match[2]]


def available_memory() -> int | None:
    """Return the bytes that a new process may take, or None where the system does not say.

    The least of what the kernel calls available and what a container's limit leaves.
    """
    found = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
        if match:
            found.append(int(match[1]) * 1024)
    for limit, used in _CGROUPS:
        try:
            found.append(int(limit.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # no such cgroup, or "max"
            continue
    return min(found, default=None)


def free_disk(folder: Path) -> int:
    """Return the bytes free where `folder` lies or will lie."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """Return `folder`, or the nearest folder above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def port_is_free(host: str, port: int) -> bool:
    """Whether a service could listen on `port` of `host`; port 0 stands for any."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def clock_is_sane(reference: Path) -> bool:
    """Whether the clock is not behind a file that was written here before."""
    written = datetime.fromtimestamp(reference.stat().st_mtime, tz=UTC)
    return datetime.now(tz=UTC) >= written


def has_time_zones() -> bool:
    """Whether the time zone database is there, as datasets in local time need it."""
    try:
        zoneinfo.ZoneInfo("Europe/London")
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        return False
    return True


def is_writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, or it can be made, without making anything."""
    nearest = existing(folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
