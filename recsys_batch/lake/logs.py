"""The log of a dataset's runs: one JSON object a line, beside its tables."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from recsys_batch.errors import LakeError

LOG = logging.getLogger("recsys_batch")


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "process": record.process,
            **getattr(record, "fields", {}),
        }
        return json.dumps(entry)


class _RunLog(logging.FileHandler):
    """The file of the log; where its disk is full, one sentence says so and the run goes on."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """Say that a line could not be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.told:
            self.told = True
            with contextlib.suppress(OSError):  # where that goes to the same disk
                sys.stderr.write(f"warning: {self.baseFilename} cannot be written ({error})\n")

    def close(self) -> None:
        """Close the file; what could not be written of it is lost."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def log_file(home: Path) -> Iterator[None]:
    """Write the package's log to ``home/logs/runs.jsonl`` meanwhile.

    Raises
    ------
    LakeError
        The file cannot be opened.
    """
    folder = home / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = _RunLog(folder / "runs.jsonl", encoding="utf-8")
    except OSError as error:
        raise LakeError(
            f"the log of runs cannot be opened ({error.strerror})",
            where=str(folder),
            fix="free disk space or correct the folder's rights, and run again",
        ) from error
    handler.setFormatter(_JsonLines())
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()
