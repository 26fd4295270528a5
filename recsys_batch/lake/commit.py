"""Commits of plain Parquet files, as Spark writes them, to Delta tables.

Spark writes the files, on as many machines as there are; the commit itself is a few lines of log,
for which Spark's own Delta writer takes above a second and this takes milliseconds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from recsys_batch.lake.footers import statistics
from recsys_batch.lake.places import Place, open_table
from recsys_batch.lake.tables import Table

if TYPE_CHECKING:
    from deltalake.transaction import AddAction


def commit_files(
    path: Path,
    folder: str,
    table: Table,
    *,
    replacing: Mapping[str, object] | None,
    named: Collection[str] | None = None,
) -> None:
    """Move the files of a folder to where their partitions lie, and commit them to the table.

    A kill before the commit leaves files that no version names, and that nobody reads.

    Parameters
    ----------
    path
        The table, which exists.
    folder
        A folder below `path` that holds new files alone, by partition.
    replacing
        Values of partition columns whose rows the files replace; an empty mapping replaces all,
        None nothing.
    named
        Names of the files to commit, the others being removed; None commits all.

    Raises
    ------
    DeltaError
        The commit failed; the table is as it was.
    ValueError
        A file holds rows of another partition than it replaces.
    """
    files = [
        file for file in (path / folder).rglob("*.parquet") if named is None or file.name in named
    ]
    found = {file: statistics(file, table.skip_by) for file in files}
    written = sorted(file for file, facts in found.items() if facts["numRecords"])
    actions = [_added(path / folder, file, table, found[file]) for file in written]
    require_owned(actions, replacing)
    for file, action in zip(written, actions, strict=True):
        place = path / action.path
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)  # Spark's names of files are unique
    shutil.rmtree(path / folder)
    commit(path, actions, table, replacing=replacing)


def require_owned(actions: Iterable[AddAction], replacing: Mapping[str, object] | None) -> None:
    """Raise `ValueError` where a file holds rows of another partition than it replaces."""
    owned = {(column, str(value)) for column, value in (replacing or {}).items()}
    for action in actions:
        stray = owned - set(action.partition_values.items())
        if stray:
            raise ValueError(f"{action.path} does not match what it replaces, {sorted(stray)}")


def commit(
    place: Place,
    actions: Sequence[AddAction],
    table: Table,
    *,
    replacing: Mapping[str, object] | None,
) -> None:
    """Commit files that lie where their partitions do; without any, nothing is appended.

    Raises
    ------
    DeltaError
        The commit failed; the table is as it was.
    """
    if replacing is None and not actions:
        return
    delta = open_table(place)
    mode: Literal["append", "overwrite"] = "append" if replacing is None else "overwrite"
    owned = [(column, "=", str(value)) for column, value in sorted((replacing or {}).items())]
    delta.create_write_transaction(
        [*actions], mode, delta.schema(), list(table.partition_by) or None, owned or None
    )


def _added(folder: Path, file: Path, table: Table, facts: dict[str, Any]) -> AddAction:
    from deltalake.transaction import AddAction

    status = file.stat()
    where = file.relative_to(folder)
    return AddAction(
        path=where.as_posix(),
        size=status.st_size,
        partition_values=_partition(where, table),
        modification_time=int(status.st_mtime * 1000),
        data_change=True,
        stats=json.dumps(facts),
    )


def _partition(where: Path, table: Table) -> dict[str, str | None]:
    """Values of the partition columns, from the names of folders such as ``event_date=...``."""
    named = dict(part.split("=", 1) for part in where.parts if "=" in part)
    absent = "__HIVE_DEFAULT_PARTITION__"
    return {
        name: None if named[name] == absent else unquote(named[name]) for name in table.partition_by
    }
