"""The audit log: who ran, published, rolled back or erased; append-only, hash-chained.

``audit.jsonl`` holds one canonical JSON record a line. Each record's hash covers the hash before
it, so a change, removal or insertion anywhere breaks every later line. A cut at the end shows
only against a head noted elsewhere: `verify` returns it, and checks one that is passed to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_batch.errors import PublicationError
from recsys_batch.publish.pointer import sync_folder

AUDIT_LOG = "audit.jsonl"
GENESIS = "0" * 64  # what stands for the hash before the first line
_BLOCK = 1 << 16


@dataclass(frozen=True)
class AuditHead:
    """Where the chain ends.

    Attributes
    ----------
    lines
        Whole lines in the log.
    hash
        Hash of the last one, `GENESIS` for an empty log.
    note
        What was odd but harmless (a torn last line), empty if nothing was.
    """

    lines: int
    hash: str
    note: str = ""


def append(
    home: Path,
    *,
    action: str,
    subject: str,
    actor: str,
    at: datetime,
    detail: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Append one record, durably, and return it.

    Safe under several processes (an exclusive lock) and under a kill: a torn last line was never
    acknowledged, so the next append drops it and says so in its own record's ``note``.

    Parameters
    ----------
    home
        The dataset's folder; made if missing.
    action, subject, actor
        What was done, to what, by whom; never a raw user id.
    at
        When; must carry a time zone, stored in UTC.
    detail
        Further JSON values.

    Raises
    ------
    PublicationError
        The last line is not a whole record of the chain: nothing is appended to a broken log.
    """
    if at.tzinfo is None:
        raise ValueError("an audit record's time must carry a time zone")
    home.mkdir(parents=True, exist_ok=True)
    path = home / AUDIT_LOG
    with path.open("a+b") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        last, torn = _last_line(file.fileno())
        note = ""
        if torn:
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - torn)
            note = f"dropped {torn} bytes of a torn last line"
        before = _parse(last, path, "the last line") if last else None
        record = {
            "sequence": before["sequence"] + 1 if before else 1,
            "at": at.astimezone(UTC).isoformat(),
            "action": action,
            "subject": subject,
            "actor": actor,
            "detail": dict(detail or {}),
            "previous": before["hash"] if before else GENESIS,
        }
        if note:
            record["note"] = note
        record["hash"] = _digest(record)
        line = _canonical(record) + b"\n"
        if os.write(file.fileno(), line) != len(line):
            raise PublicationError(
                "the audit record could not be written whole",
                where=str(path),
                fix="free disk space and repeat the command; the torn line is dropped then",
            )
        os.fsync(file.fileno())
    if before is None:
        sync_folder(home)
    return record


def records(home: Path) -> list[dict[str, Any]]:
    """Return every whole record in order, unverified; an absent log has none."""
    path = home / AUDIT_LOG
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_parse(line, path, f"line {i}") for i, line in enumerate(lines, start=1)]


def verify(home: Path, *, head: str | None = None) -> AuditHead:
    """Check the whole chain and return its head.

    Parameters
    ----------
    home
        The dataset's folder.
    head
        A hash noted earlier that must still be in the chain; without it a log whose last
        lines were cut off still verifies.

    Raises
    ------
    PublicationError
        Names the first broken line, or says that `head` is gone.
    """
    path = home / AUDIT_LOG
    content = path.read_bytes() if path.exists() else b""
    *lines, torn = content.split(b"\n")
    previous, seen = GENESIS, {GENESIS}
    for number, line in enumerate(lines, start=1):
        record = _parse(line, path, f"line {number}")
        if record["previous"] != previous or record["sequence"] != number:
            raise _broken(path, f"line {number}", "does not follow the line before it")
        previous = record["hash"]
        seen.add(previous)
    if head is not None and head not in seen:
        raise _broken(path, f"after line {len(lines)}", f"ends before the noted head {head[:12]}")
    note = f"ignored {len(torn)} bytes of a torn last line" if torn else ""
    return AuditHead(len(lines), previous, note)


def _parse(line: bytes, path: Path, where: str) -> dict[str, Any]:
    """Return the record of one line, or raise if it was not written by `append`."""
    try:
        record = json.loads(line)
        intact = _canonical(record) == line and record["hash"] == _digest(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise _broken(path, where, "was changed after it was written")
    return dict(record)


def _last_line(descriptor: int) -> tuple[bytes, int]:
    """Return the last whole line and the length of what is torn after it."""
    size = os.fstat(descriptor).st_size
    tail = b""
    start = size
    while start > 0 and tail.count(b"\n") < 2:
        start = max(0, start - _BLOCK)
        tail = os.pread(descriptor, size - start, start)
    whole, newline, torn = tail.rpartition(b"\n")
    return (whole.rpartition(b"\n")[2] if newline else b""), len(torn)


def _digest(record: Mapping[str, Any]) -> str:
    unsigned = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(_canonical(unsigned)).hexdigest()


def _canonical(record: Mapping[str, Any]) -> bytes:
    return json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _broken(path: Path, where: str, what: str) -> PublicationError:
    return PublicationError(
        f"the audit log {what}",
        where=f"{path}, {where}",
        fix="compare it with a backup and keep this file as evidence",
    )
