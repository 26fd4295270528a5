"""Removing files that no version of a table names: replaced rows, and what kills left behind."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.errors import LakeError
from recsys_batch.lake import s3
from recsys_batch.lake.places import Place, has_version, open_table, table_path, unwritable
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
        Folders of writes that were killed before their files were moved to their partitions; in
        S3, where nothing is moved, there are none.
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
        place = table_path(home, name)
        if not has_version(place):
            continue
        folders = _leftovers(place, before=now.timestamp() - keep_hours * _HOUR)
        try:
            files = _unnamed(place, keep_hours, dry_run=True)
            for folder in folders if not dry_run else ():
                shutil.rmtree(folder)  # first, since what follows writes to the log
            if files and not dry_run:
                _unnamed(place, keep_hours, dry_run=False)
        except (DeltaError, OSError) as error:
            raise unwritable(place, error) from error
        if files or folders:
            found.append(Vacuumed(name, len(files), len(folders)))
    return tuple(found)


def _unnamed(place: Place, keep_hours: float, *, dry_run: bool) -> list[str]:
    """Files that no kept version names; deltalake also tells of those removed long since."""
    told = open_table(place).vacuum(
        retention_hours=int(keep_hours),
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,
    )
    if isinstance(place, Path):
        return [name for name in told if (place / name).exists()]
    with s3.told(place, LakeError):
        there = set(s3.keys_below(place)) if told else set()
    return [name for name in told if name in there]


def _leftovers(path: Place, *, before: float) -> list[Path]:
    """Folders of writes of which nothing has changed since an instant, in seconds."""
    if not isinstance(path, Path):
        return []
    return [
        folder
        for folder in sorted(path.glob("files-*"))
        if max(each.stat().st_mtime for each in (folder, *folder.rglob("*"))) < before
    ]
