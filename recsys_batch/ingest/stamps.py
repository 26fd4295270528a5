"""What landed files were like on the disk when they were digested, so that they need not be again.

A file whose size, modification, change of status and inode are as they were holds what it held: the
system changes its `ctime` with any write, rename or setting of times, and lets nobody set it. A
file that changed within two seconds of the look is not told by this, as it may change again
within the same tick of the file system's clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICK = 2_000_000_000  # nanoseconds between two times that every file system tells apart

Look = tuple[int, ...]


class Stamps:
    """Digests of files by name and by what the system says of them.

    Parameters
    ----------
    path
        Where they are kept; may be removed, as then files are digested anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Look, str]] = {}
        self._changed = False
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._known = {name: (tuple(look), digest) for name, (look, digest) in kept.items()}
        except (OSError, ValueError):
            pass  # none yet, or not ours

    def look(self, path: Path) -> Look | None:
        """What the system says of a file; None where that cannot tell it from a later content.

        Raises
        ------
        OSError
            There is no such file.
        """
        now, status = time.time_ns(), path.stat()
        if max(status.st_mtime_ns, status.st_ctime_ns) > now - _TICK:
            return None
        return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def digest(self, name: str, look: Look | None) -> str | None:
        """The digest that a file had when it looked the same; None where that is not known."""
        known, digest = self._known.get(name, (None, None))
        return digest if look is not None and known == look else None

    def note(self, name: str, look: Look | None, digest: str) -> None:
        """Remember the digest of what was read after a look."""
        if look is not None and self._known.get(name) != (look, digest):
            self._known[name] = (look, digest)
            self._changed = True

    def save(self) -> None:
        """Keep them; killed meanwhile, those before stay.

        A disk that takes no more is for the writes that matter to tell; files are digested anew.
        """
        if not self._changed:
            return
        aside = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(self._known), encoding="utf-8")
            aside.replace(self._path)
        except OSError:
            aside.unlink(missing_ok=True)
        self._changed = False


@contextmanager
def kept_stamps(home: Path, source: str) -> Iterator[Stamps]:
    """The stamps of a source's files in a lake, kept at the end if nothing failed."""
    stamps = Stamps(home / "index" / "landed" / f"{source}.json")
    yield stamps
    stamps.save()
