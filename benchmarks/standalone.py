"""A Spark standalone cluster on loopback: a real master and real workers, gone at the end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from recsys_batch.errors import SetupError
from recsys_batch.setup.jars import spark_home
from recsys_batch.setup.jdk import require_java

_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
_REGISTERED = re.compile(r"Registering worker ")
_LONGEST = 180.0  # seconds for a daemon to start
_DAEMON = {
    "SPARK_DAEMON_MEMORY": "256m",
    "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "SPARK_LOCAL_IP": "127.0.0.1",
}


@contextlib.contextmanager
def standalone(
    folder: Path,
    *,
    workers: int,
    memory: str = "1g",
    environment: Mapping[str, str] | None = None,
    pinned: bool = False,
) -> Iterator[str]:
    """Start a master and one-core workers on free ports of loopback, and give the master's address.

    Parameters
    ----------
    folder
        Where logs and the workers' files go.
    workers
        How many.
    memory
        What each worker may give to executors, as Spark writes it.
    environment
        Of the workers, beside this process's: such as another time zone.
    pinned
        Whether a worker, and all that it starts, keeps to a processor of its own. Spark's "one
        core" is one task at a time: its JVM and its Python process run side by side otherwise, on
        two processors.

    Raises
    ------
    SetupError
        There is no JDK, a daemon does not start, or there are fewer processors than pinned workers.
    """
    processors = sorted(os.sched_getaffinity(0)) if pinned else []
    if pinned and workers > len(processors):
        raise SetupError(
            f"{len(processors)} processors for {workers} pinned workers",
            where="standalone cluster",
            fix="ask for fewer workers",
        )
    given = {**os.environ, **_DAEMON, "JAVA_HOME": str(require_java().home)}
    log = folder / "master.log"
    with contextlib.ExitStack() as daemons:
        options = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        daemons.enter_context(_daemon("master.Master", options, log, given))
        (address,) = _wait(log, _MASTER, 1)
        for number in range(workers):
            options = ("--host", "127.0.0.1", "--cores", "1", "--memory", memory)
            work = folder / f"worker-{number}"
            places = ("--webui-port", "0", "--work-dir", str(work), address)
            worker = _daemon(
                "worker.Worker",
                (*options, *places),
                folder / f"worker-{number}.log",
                {**given, **(environment or {})},
                processors[number : number + 1],
            )
            daemons.enter_context(worker)
        _wait(log, _REGISTERED, workers)
        yield address


@contextlib.contextmanager
def _daemon(
    name: str,
    options: tuple[str, ...],
    log: Path,
    environment: Mapping[str, str],
    processors: Sequence[int] = (),
) -> Iterator[None]:
    """One of Spark's deploy classes in a session of its own, ended with all that it started.

    It keeps to the processors given, if any are.
    """
    home = spark_home()
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(  # of fixed arguments
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment, "SPARK_HOME": str(home)},
            start_new_session=True,
        )
    if processors:
        os.sched_setaffinity(process.pid, processors)  # what it starts keeps to them
    try:
        yield
    finally:
        process.terminate()  # a worker's own hook ends its executors
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(log: Path, pattern: re.Pattern[str], times: int) -> list[str]:
    """What a log says at last, as often as it must."""
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        found = pattern.findall(log.read_text(errors="replace"))
        if len(found) >= times:
            return found
        time.sleep(0.1)
    raise SetupError(
        f"{len(found)} of {times} lines of {pattern.pattern!r} after {_LONGEST:.0f} s",
        where=str(log),
        fix="read the log",
    )
