"""Which edge stores are kept for rollback, and what is collected."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from recsys_batch.edge.manifest import MANIFEST
from recsys_batch.edge.store import BUILDING
from recsys_batch.publish.pointer import locked, read_pointer, sync_folder

_DELETING = ".deleting-"


def kept_publications(home: Path) -> list[str]:
    """Return the publications that have an edge store, newest build first."""
    folder = home / "edge"
    stores = [path for path in folder.glob("[!.]*") if (path / MANIFEST).is_file()]
    stores.sort(key=lambda path: ((path / MANIFEST).stat().st_mtime_ns, path.name), reverse=True)
    return [path.name for path in stores]


def collect(home: Path, keep: int) -> list[str]:
    """Delete stores that are not kept, and temporary folders of builds that died.

    The live store, the one live before it and, up to `keep` in all, the newest are kept. A reader
    that still has a deleted store open goes on reading it; a running build is left alone.

    Returns
    -------
    list of str
        The publications whose stores were deleted.
    """
    with locked(home):
        pointer = read_pointer(home)
        stores = kept_publications(home)
        wanted = [pointer.current, pointer.previous] if pointer else []
        kept = {each for each in wanted if each in stores}
        for each in stores:
            if len(kept) < keep:
                kept.add(each)
        deleted = [each for each in stores if each not in kept]
        folder = home / "edge"
        for each in deleted:
            (folder / each).rename(folder / f"{_DELETING}{each}")
        for path in folder.glob(f"{_DELETING}*"):
            shutil.rmtree(path)
        for path in folder.glob(f"{BUILDING}*"):
            _delete_if_dead(path)
        if deleted:
            sync_folder(folder)
    return deleted


def _delete_if_dead(building: Path) -> None:
    """Delete a temporary folder unless its builder, who holds a lock on it, is alive."""
    try:
        descriptor = os.open(building, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(building, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
