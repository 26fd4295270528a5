"""Importing aside what takes seconds to import, while Spark starts and works."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from threading import Event, RLock, Thread

# Held by what imports a library that takes seconds: whoever needs it then waits until it is whole.
IMPORTING = RLock()


@contextlib.contextmanager
def importing(wanted: Iterable[Callable[[], object]]) -> Iterator[None]:
    """Call what imports things, one after another, beside what is done within.

    What cannot be imported is passed over: whoever needs it will say so. At the end the one at
    work is waited for, since a process must not end in the midst of it, and the rest is left.
    """
    ended = Event()

    def run() -> None:
        for each in wanted:
            if ended.is_set():
                return
            with contextlib.suppress(Exception):
                each()

    aside = Thread(target=run, name="imports")
    aside.start()
    try:
        yield
    finally:
        ended.set()
        aside.join()
