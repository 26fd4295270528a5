"""The publication a service answers from: follows the pointer, refuses what is damaged.

A new store is verified off the event loop before one reference is swapped, so every answer comes
from one whole publication. A damaged one is refused, counted and logged; the last good one stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from recsys_batch.edge.metrics import Metrics
from recsys_batch.edge.store import EdgeStore, store_folder
from recsys_batch.errors import RecsysError
from recsys_batch.publish.pointer import POINTER, read_current

_log = logging.getLogger("recsys_batch.edge")
_RETRY_SECONDS = 5.0

Signature = tuple[int, int, int]


class LivePublication:
    """The store in service; `refresh` and readers of `store` run on one event loop.

    Attributes
    ----------
    store
        The store in service, None before the first good publication.
    refused
        What was wrong with the publication the pointer names, empty while it is in service.
    """

    def __init__(self, home: Path, *, metrics: Metrics) -> None:
        self.store: EdgeStore | None = None
        self.refused = ""
        self._home = home
        self._metrics = metrics
        self._seen: Signature | None = None
        self._retry_at = 0.0

    async def follow(self, *, poll_seconds: float) -> None:
        """Look at the pointer every `poll_seconds` until cancelled."""
        while True:
            await asyncio.sleep(poll_seconds)
            await self.refresh()

    async def refresh(self) -> None:
        """Take the pointer's publication into service if it changed and is intact.

        Costs one `stat` when nothing changed. A refused publication is tried again every few
        seconds, as an export may mend it.
        """
        signature = self._signature()
        if signature is None:  # nothing is live yet, or the pointer is gone: keep serving
            return
        if signature == self._seen and not (self.refused and time.monotonic() >= self._retry_at):
            return
        self._seen = signature
        try:
            await self._load()
        except RecsysError as error:
            self._refuse(error.what, error.where)
        except OSError as error:
            self._refuse(str(error.strerror), str(error.filename))

    def close(self) -> None:
        """Release the store."""
        if self.store is not None:
            self.store.close()
            self.store = None

    async def _load(self) -> None:
        publication_id = read_current(self._home)
        if publication_id is None:
            return
        old = self.store
        if old is None or old.publication_id != publication_id:
            folder = store_folder(self._home, publication_id)
            self.store = await asyncio.to_thread(EdgeStore, folder)
            self._metrics.reloads += 1
            _log.info("publication %s in service", publication_id)
            if old is not None:
                old.close()
        self.refused = ""

    def _refuse(self, why: str, where: str) -> None:
        self._metrics.reload_failures += 1
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if why != self.refused:
            serving = self.store.publication_id if self.store else None
            _log.error("publication refused: %s: %s; serving %s", where, why, serving)
        self.refused = why

    def _signature(self) -> Signature | None:
        try:
            status = (self._home / POINTER).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
