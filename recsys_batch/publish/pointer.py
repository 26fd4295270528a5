"""The one live pointer of a dataset: a small file that names the live publication.

``CURRENT`` lies in the dataset's home and is only ever replaced whole, so a reader sees the old
name or the new one. It stores no time: publishing the same day again leaves it byte-identical.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.errors import PublicationError

POINTER = "CURRENT"
_LOCK = ".CURRENT.lock"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Pointer:
    """What is live, and what was live before it (None where nothing was)."""

    current: str
    previous: str | None


class PointerLock:
    """The right to move a home's pointer, held while `locked` is entered."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def move(self, publication_id: str) -> Pointer:
        """Name `publication_id` as live, durably; naming the live one again changes nothing.

        A pointer file that cannot be read is replaced: its previous publication is then None.
        """
        check_publication_id(publication_id)
        try:
            before = read_pointer(self._home)
        except PublicationError:
            before = None
        if before is not None and before.current == publication_id:
            return before
        after = Pointer(publication_id, before.current if before else None)
        content = json.dumps({"current": after.current, "previous": after.previous}) + "\n"
        replace_file(self._home / POINTER, content.encode())
        return after


@contextmanager
def locked(home: Path) -> Iterator[PointerLock]:
    """Hold the home's pointer lock, waiting for its holder; the system frees it on death."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield PointerLock(home)
    finally:
        os.close(descriptor)


def move_current(home: Path, publication_id: str) -> Pointer:
    """Make `publication_id` the live one of `home` and return the pointer as it is then.

    Crash-safe: after a kill at any moment `CURRENT` names the old or the new publication.
    """
    with locked(home) as pointer:
        return pointer.move(publication_id)


def read_current(home: Path) -> str | None:
    """Return the id of the live publication of `home`, or None where nothing is live."""
    pointer = read_pointer(home)
    return pointer.current if pointer else None


def read_pointer(home: Path) -> Pointer | None:
    """Return the live and the previous publication of `home`, or None where nothing is live.

    Raises
    ------
    PublicationError
        The file is there but is not a pointer.
    """
    path = home / POINTER
    try:
        content = json.loads(path.read_bytes())
        pointer = Pointer(content["current"], content["previous"])
        check_publication_id(pointer.current)
        if pointer.previous is not None:
            check_publication_id(pointer.previous)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, PublicationError) as error:
        raise PublicationError(
            "the pointer file does not name a publication",
            where=str(path),
            fix="name a kept publication with `recsys-batch rollback --to ID`",
        ) from error
    return pointer


def check_publication_id(publication_id: str) -> str:
    """Return the id if it is safe as a file name and in a header; else raise."""
    if not isinstance(publication_id, str) or not _ID.fullmatch(publication_id):
        raise PublicationError(
            f"{str(publication_id)[:80]!r} cannot be a publication id",
            where="publication id",
            fix="use letters, digits, '.', '_' and '-', at most 128, a letter or digit first",
        )
    return publication_id


def replace_file(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, durably and in one step; one writer at a time."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make creations and renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
