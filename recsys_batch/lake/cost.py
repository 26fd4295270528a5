"""What a stage costs: seconds, seconds of cores, memory at its fullest, bytes moved by Spark."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from recsys_batch import columns as c
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.upload import UPLOADED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_INTERVAL = 1.0  # seconds between two looks at the memory
_BYTES = {
    "bytes_read": "inputBytes",
    "bytes_written": "outputBytes",
    "bytes_shuffled": "shuffleWriteBytes",
}


@dataclass(frozen=True)
class Cost:
    """What a stretch of work took.

    Attributes
    ----------
    seconds
        By the clock.
    core_seconds
        Of this process, its JVM and its workers; on a cluster also the seconds that executors gave
        cores to tasks.
    peak_memory_bytes
        The most that this process, its JVM and its workers held, but for mapped files and what
        they share, looked at once a second.
    bytes_read, bytes_written, bytes_shuffled
        By Spark's tasks; files that are read or committed without Spark are not among them.
    """

    seconds: float
    core_seconds: float
    peak_memory_bytes: int
    bytes_read: int
    bytes_written: int
    bytes_shuffled: int


class Meter:
    """Measures from its making to `stop`, or to `abandon` where the work failed."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._first = next((row.stageId() + 1 for row in _stages(spark)), 0)
        self._began = time.perf_counter()
        self._cores = processor_seconds()
        self._uploaded = UPLOADED.bytes
        self._memory = PeakMemory()
        self._memory.start()

    def abandon(self) -> None:
        """End without a cost; Spark, which may be what failed, is asked for nothing."""
        self._memory.stop()

    def stop(self) -> Cost:
        """What it took since the beginning."""
        self._memory.stop()
        spent = list(takewhile(lambda row: row.stageId() >= self._first, _stages(self._spark)))
        on_executors = 0.0
        if not str(self._spark.sparkContext.master).startswith("local"):
            on_executors = sum(row.executorRunTime() for row in spent) / 1000
        moved = {name: sum(getattr(row, of)() for row in spent) for name, of in _BYTES.items()}
        moved["bytes_written"] += UPLOADED.bytes - self._uploaded
        return Cost(
            round(time.perf_counter() - self._began, 3),
            round(processor_seconds() - self._cores + on_executors, 3),
            self._memory.bytes,
            **moved,
        )


class PeakMemory:
    """Looks at a process and its children once a second, and keeps the greatest sum.

    Parameters
    ----------
    pid
        The process; None for this one.
    of
        What a process holds, in bytes. By default what of its resident memory is neither shared nor
        mapped from files: the kernel tells it at once, where it walks through all pages to tell
        what is whose part (PSS).

    Attributes
    ----------
    bytes
        The greatest sum seen between `start` and `stop`.
    """

    def __init__(
        self, pid: int | None = None, *, of: Callable[[psutil.Process], int] | None = None
    ) -> None:
        self.bytes = 0
        self._of = of or _private
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Look once more and end."""
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        held = 0
        try:
            for process in (self._root, *self._root.children(recursive=True)):
                held += self._of(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return  # one ended while it was looked at: the next look has the rest
        self.bytes = max(self.bytes, held)


def _private(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


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


def keep_cost(home: Path, cost: Cost, *, stage: str, as_of: dt.date, ended: dt.datetime) -> None:
    """Keep what a stage took in `costs`; the last time that it ran for the day counts."""
    row = {"stage": stage, c.AS_OF: as_of, "ended_at": ended, **asdict(cost)}
    replace_rows(home, "costs", [row], stage=stage, as_of=as_of)


def costs_text(rows: Sequence[Mapping[str, Any]], *, users: int | None) -> str:
    """Costs of a day's stages as lines, their sums, and what 1,000 users' lists took of cores.

    Parameters
    ----------
    rows
        Of `costs`.
    users
        Users whose lists were published; None where none were.
    """
    heads = ("seconds", "core-s", "memory", "read", "written", "shuffled")
    lines = [f"{'stage':<10}" + "".join(f"{head:>9}" for head in heads)]
    sums = {name: sum(row[name] for row in rows) for name in ("seconds", "core_seconds", *_BYTES)}
    whole = {"peak_memory_bytes": max(row["peak_memory_bytes"] for row in rows), **sums}
    for row in (*rows, {"stage": "in all", **whole}):
        sizes = [row[name] / 1e6 for name in ("peak_memory_bytes", *_BYTES)]
        lines.append(
            f"{row['stage']:<10}{row['seconds']:>9.1f}{row['core_seconds']:>9.1f}"
            + "".join(f"{size:>8,.0f}M" for size in sizes)
        )
    if users:
        per_thousand = sums["core_seconds"] / users * 1000
        lines.append(f"{per_thousand:.1f} core-seconds for 1,000 users ({users:,} have lists)")
    return "\n".join(lines)


def _stages(spark: SparkSession) -> Iterator[Any]:
    """Spark's stages that it still remembers, the latest first."""
    context = spark.sparkContext
    gateway, jvm = context._gateway, context._jvm
    assert gateway is not None
    assert jvm is not None
    none = jvm.java.util.ArrayList()
    quantiles = gateway.new_array(jvm.double, 0)
    found = context._jsc.sc().statusStore().stageList(none, False, False, quantiles, none)
    for place in range(found.size()):
        yield found.apply(place)
