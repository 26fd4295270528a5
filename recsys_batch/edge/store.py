"""The embedded edge store: one immutable, memory-mapped LMDB file a publication.

Built aside, fsynced, verified, then renamed: a folder with a publication's name holds a whole
store or is not there. `recsys_batch.edge.retention` collects old ones and what dead builds left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from recsys_batch.edge.bodies import LEVELS, MAX_KEY_BYTES, Level, answer, answer_head
from recsys_batch.edge.datafile import open_read_only, read_back, write_entries
from recsys_batch.edge.manifest import (
    DATA,
    MANIFEST,
    make_manifest,
    manifest_bytes,
    read_manifest,
    verify_store,
)
from recsys_batch.errors import EdgeError
from recsys_batch.publish.pointer import check_publication_id, replace_file, sync_folder

BUILDING = ".building-"


class EdgeStore:
    """A verified, read-only store; share one between threads.

    Parameters
    ----------
    folder
        ``home/edge/PUBLICATION_ID``. Its checksums are verified before it is opened.

    Raises
    ------
    EdgeError
        The store is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = verify_store(folder)
        self.publication_id: str = self.manifest["publication_id"]
        self._heads = {
            level: answer_head(
                publication_id=self.publication_id, as_of=self.manifest["as_of"], level=level
            )
            for level in LEVELS
        }
        try:
            self._env = open_read_only(folder / DATA)
        except lmdb.Error as error:
            raise EdgeError(
                f"LMDB cannot open the store ({error})",
                where=str(folder),
                fix="share one EdgeStore in a process, or export the publication again",
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return the value of `key`, or None; no key of a store is longer than LMDB allows."""
        encoded = key.encode()
        if len(encoded) > MAX_KEY_BYTES:
            return None
        with self._env.begin() as transaction:
            return transaction.get(encoded)

    def answer(self, level: Level, value: bytes, n: int) -> bytes:
        """Return the answer's JSON for a list of some level: its first `n` items, or all."""
        return answer(self._heads[level], value, n)

    def __len__(self) -> int:
        return int(self.manifest["entries"])

    def close(self) -> None:
        """Release the file; `get` must not be called any more."""
        self._env.close()

    def __enter__(self) -> EdgeStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def store_folder(home: Path, publication_id: str) -> Path:
    """Return where the store of a publication lies, whether or not it is there."""
    return home / "edge" / check_publication_id(publication_id)


def ensure_store(
    folder: Path,
    entries: Iterable[tuple[str, bytes]],
    *,
    as_of: str,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """`build_store`, unless an intact store of the same details is there; then read no entries.

    Parameters
    ----------
    details
        They must tell the content of one store from that of another, as digests of its lists do.
    """
    try:
        present = verify_store(folder)
    except EdgeError:
        present = {}
    if present.get("details") == details:
        return present
    return build_store(folder, entries, as_of=as_of, details=details)


def build_store(
    folder: Path,
    entries: Iterable[tuple[str, bytes]],
    *,
    as_of: str,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """Build the store of a publication, or prove that it is there already.

    Parameters
    ----------
    folder
        ``home/edge/PUBLICATION_ID``, by which the publication is known. A killed build leaves
        nothing there.
    entries
        Keys and values, keys strictly ascending.
    as_of
        Its logical day, ``YYYY-MM-DD``.
    details
        JSON values kept in the manifest, such as digests of the lists.

    Returns
    -------
    dict
        The manifest: entries, digests of content and file, details.

    Raises
    ------
    EdgeError
        Keys are out of order, repeated or too long, there are no entries, or the folder holds
        an intact store of other content. A damaged store is replaced.
    """
    publication_id = check_publication_id(folder.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building, lock = _make_building(folder)
    try:
        content, count = write_entries(building / DATA, entries)
        manifest = make_manifest(
            publication_id=publication_id,
            as_of=as_of,
            entries=count,
            content_sha256=content,
            data=building / DATA,
            details=details,
        )
        if read_back(building / DATA) != (content, count):
            raise EdgeError(
                "the entries read back differ from those written",
                where=str(building),
                fix="check the disk and export again",
            )
        replace_file(building / MANIFEST, manifest_bytes(manifest))
        return _put_in_place(building, folder, manifest)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        os.close(lock)


def _make_building(folder: Path) -> tuple[Path, int]:
    """Make a temporary folder beside `folder`, locked so that nobody collects it meanwhile."""
    while True:
        building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{BUILDING}{folder.name}-"))
        try:
            lock = os.open(building, os.O_RDONLY)
        except FileNotFoundError:  # collected before it could be locked
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if building.exists():
            building.chmod(0o755)
            return building, lock
        os.close(lock)


def _put_in_place(building: Path, folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Rename a verified build to `folder`, or settle what it means that one is there."""
    sync_folder(building)
    try:
        building.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    else:
        sync_folder(folder.parent)
        return manifest
    try:
        present = verify_store(folder)
    except EdgeError:  # nobody can be served from it: make it whole, the manifest last
        for name in (DATA, MANIFEST):
            (building / name).replace(folder / name)
        sync_folder(folder)
        return read_manifest(folder)
    same = ("content_sha256", "as_of", "details")
    if all(present[key] == manifest[key] for key in same):
        return present
    raise EdgeError(
        f"the publication exists with content {present['content_sha256']} (manifest "
        f"{present['manifest_sha256']}), the new build has content {manifest['content_sha256']} "
        f"(manifest {manifest['manifest_sha256']})",
        where=str(folder),
        fix="publish changed lists under a new publication id",
    )
