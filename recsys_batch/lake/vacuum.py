"""Removing files that no version of a table names: replaced rows, and what kills left behind."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.lake.store import has_version, table_path, unwritable
from recsys_batch.lake.tables import TABLES

_HOUR = 3600


@dataclass(frozen=True)
class Vacuumed:
    """What was removed of a table, or would be.

    Attributes
    ----------
    files
        Data files that no version names, or that only versions older than the limit do.
    folders
        Folders of writes that were killed before their files were moved to their partitions.
    """

    table: str
    files: int
    folders: int


def vacuum(
    home: Path, *, keep_hours: float, now: dt.datetime, dry_run: bool = False
) -> tuple[Vacuumed, ...]:
    """Remove files of all tables that have not been current for `keep_hours`, and orphans as old.

    A reader that began before and takes no longer than that finds every file that it was promised.
    The caller holds the write lock.

    Parameters
    ----------
    home
        Folder of the dataset in the lake.
    now
        The age of leftover folders counts to here.
    dry_run
        Remove nothing, and say what would be.

    Raises
    ------
    LakeError
        A table cannot be read or written.
    """
    from deltalake.exceptions import DeltaError

    found = []
    for name in TABLES:
        path = table_path(home, name)
        if not has_version(path):
            continue
        folders = _leftovers(path, before=now.timestamp() - keep_hours * _HOUR)
        try:
            files = _unnamed(path, keep_hours, dry_run=True)
            for folder in folders if not dry_run else ():
                shutil.rmtree(folder)  # first, since what follows writes to the log
            if files and not dry_run:
                _unnamed(path, keep_hours, dry_run=False)
        except (DeltaError, OSError) as error:
            raise unwritable(path, error) from error
        if files or folders:
            found.append(Vacuumed(name, len(files), len(folders)))
    return tuple(found)


def _unnamed(path: Path, keep_hours: float, *, dry_run: bool) -> list[Path]:
    """Files that no kept version names; deltalake also tells of those removed long since."""
    from deltalake import DeltaTable

    told = DeltaTable(str(path)).vacuum(
        retention_hours=int(keep_hours),
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,
    )
    return [path / name for name in told if (path / name).exists()]


def _leftovers(path: Path, *, before: float) -> list[Path]:
    """Folders of writes of which nothing has changed since an instant, in seconds."""
    return [
        folder
        for folder in sorted(path.glob("files-*"))
        if max(each.stat().st_mtime for each in (folder, *folder.rglob("*"))) < before
    ]
