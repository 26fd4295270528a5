"""Disks that fill up: a real one of some megabytes, or a limit on the size of files.

The disk needs the right to mount; the limit needs no privilege and makes writes fail in their
midst, as on a full disk.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """Mount a file system of so many megabytes meanwhile; False where that is not allowed."""
    folder.mkdir()
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "none", str(folder)]
    mounted = not subprocess.run(mount, capture_output=True, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def disk_with(left: int, disk: Path) -> Iterator[None]:
    """Leave so many bytes free on a disk meanwhile, to the page."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    with ballast.open("wb") as out:
        size = status.f_bavail * status.f_frsize - left
        os.posix_fallocate(out.fileno(), 0, max(1, size))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def files_of_at_most(size: int, spark: SparkSession | None = None) -> Iterator[None]:
    """Let no file of this process's, or of Spark's either, become larger meanwhile."""
    pids = [os.getpid()]
    if spark is not None:
        pids.append(spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid())
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
