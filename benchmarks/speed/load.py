"""A small HTTP load generator: some keep-alive connections, each with one request in flight."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_PUBLICATION = re.compile(rb"x-publication: ([^\r]+)", re.IGNORECASE)


@dataclass
class Report:
    """What a load saw.

    Attributes
    ----------
    rate
        Answers a second.
    seconds
        Time of each answer, ascending.
    errors
        Answers other than 200.
    publications
        When each answer came (`time.perf_counter`) and which publication it named.
    """

    rate: float = 0.0
    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    publications: list[tuple[float, bytes]] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return the time within which `share` of the answers came."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


class _Asker(asyncio.Protocol):
    def __init__(self, requests: list[bytes], start: int, report: Report) -> None:
        self._requests = requests
        self._next = start
        self._report = report
        self._buffer = b""
        self._needed = 0
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            length = _LENGTH.search(self._buffer, 0, end) if end >= 0 else None
            if length is None:
                return
            self._needed = end + 4 + int(length[1])
        if len(self._buffer) >= self._needed:
            now = time.perf_counter()
            self._report.seconds.append(now - self._asked)
            self._report.errors += not self._buffer.startswith(b"HTTP/1.1 200")
            named = _PUBLICATION.search(self._buffer, 0, 512)
            self._report.publications.append((now, named[1] if named else b""))
            self._buffer, self._needed = b"", 0
            self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1


def run_load(
    port: int,
    paths: Sequence[str],
    *,
    connections: int,
    seconds: float,
    during: Callable[[], object] | None = None,
) -> Report:
    """Ask a server on loopback for `paths` in turn and return what was seen.

    Parameters
    ----------
    port
        The server's port.
    paths
        Paths and queries; each connection starts at its own place.
    connections, seconds
        How many ask, and for how long.
    during
        Called in a thread of its own after a fifth of the time.
    """
    requests = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths]
    report = Report()

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        step = len(requests) // connections
        made = [
            await loop.create_connection(
                lambda start=number * step: _Asker(requests, start, report), "127.0.0.1", port
            )
            for number in range(connections)
        ]
        began, before = time.perf_counter(), len(report.seconds)
        if during is not None:
            loop.call_later(seconds / 5, threading.Thread(target=during).start)
        await asyncio.sleep(seconds)
        report.rate = (len(report.seconds) - before) / (time.perf_counter() - began)
        for transport, _ in made:
            transport.abort()

    import uvloop

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # the server takes the first core
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(ask())
    finally:
        os.sched_setaffinity(0, cores)
    report.seconds.sort()
    return report
