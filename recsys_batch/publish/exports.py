"""Plain exports of a publication: Parquet and JSON lines with a manifest of checksums."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch.errors import PublicationError
from recsys_batch.publish.pointer import check_publication_id, replace_file, sync_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MANIFEST = "manifest.json"


def export_folder(home: Path, publication_id: str) -> Path:
    """Where the plain export of a publication lies."""
    return home / "exports" / check_publication_id(publication_id)


def write_exports(
    folder: Path, tables: Mapping[str, DataFrame], *, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Write each table as ``TABLE.parquet/`` and ``TABLE.jsonl/`` with a manifest, or verify them.

    Built aside and renamed, so that the folder is complete or absent. Rows come in the frames'
    order, one file a partition.

    Parameters
    ----------
    folder
        `export_folder` of the publication.
    tables
        Name to sorted rows.
    details
        What the manifest says of the publication.

    Returns
    -------
    dict
        The manifest: details, and bytes and SHA-256 of each file.
    """
    if (folder / MANIFEST).is_file():
        return verify_exports(folder)
    shutil.rmtree(folder, ignore_errors=True)
    building = _start_building(folder)
    try:
        manifest = _build(building, tables, details=details)
        building.rename(folder)
    finally:  # what a failure leaves would fill the disk that it may have failed for
        shutil.rmtree(building, ignore_errors=True)
    sync_folder(folder.parent)
    return manifest


def _build(
    building: Path, tables: Mapping[str, DataFrame], *, details: Mapping[str, Any]
) -> dict[str, Any]:
    for name, frame in tables.items():
        frame.write.option("compression", "zstd").parquet(str(building / f"{name}.parquet"))
        frame.write.json(str(building / f"{name}.jsonl"))
        for suffix in ("parquet", "jsonl"):
            _tidy(building / f"{name}.{suffix}", suffix)
    files = {
        path.relative_to(building).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha(path)}
        for path in sorted(building.rglob("*"))
        if path.is_file()
    }
    manifest = {**details, "files": files}
    replace_file(building / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return manifest


def verify_exports(folder: Path) -> dict[str, Any]:
    """Check every file against the manifest and return it.

    Raises
    ------
    PublicationError
        The manifest or a file is missing or differs.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise PublicationError(
            "the export has no readable manifest",
            where=str(folder),
            fix="remove the folder and run `recsys-batch export` again",
        ) from error
    for name, stated in manifest["files"].items():
        path = folder / name
        if not path.is_file() or _sha(path) != stated["sha256"]:
            raise PublicationError(
                "the file is missing or differs from the manifest",
                where=str(path),
                fix="remove the export's folder and run `recsys-batch export` again",
            )
    return manifest


def copy_exports(folder: Path, to: Path) -> dict[str, Any]:
    """Copy a verified export and return its manifest; nothing is left where that fails.

    Parameters
    ----------
    folder
        `export_folder` of the publication.
    to
        A folder that is absent or empty, or holds this very export already.

    Raises
    ------
    PublicationError
        The export is missing or damaged, or `to` holds other files or cannot be written.
    """
    manifest = verify_exports(folder)
    if (to / MANIFEST).is_file() and verify_exports(to) == manifest:
        return manifest
    try:
        if to.exists() and any(to.iterdir()):
            raise PublicationError(
                "the folder holds other files",
                where=str(to),
                fix="name a new or an empty folder with --to DIR",
            )
        to.parent.mkdir(parents=True, exist_ok=True)
        building = _start_building(to)
        shutil.copytree(folder, building)
        verify_exports(building)
        building.replace(to)
        sync_folder(to.parent)
    except OSError as error:
        raise PublicationError(
            f"the export cannot be copied there ({error.strerror or error})",
            where=str(to),
            fix="name a folder that you may write, with free space, with --to DIR",
        ) from error
    return manifest


def _start_building(folder: Path) -> Path:
    """Return where `folder` is built aside, and delete what killed builds of it left."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.building-*"):
        shutil.rmtree(left, ignore_errors=True)
    return folder.with_name(f".{folder.name}.building-{os.getpid()}")


def _tidy(folder: Path, suffix: str) -> None:
    """Give Spark's part files plain names and drop its markers."""
    parts = sorted(path for path in folder.iterdir() if path.name.startswith("part-"))
    for place, path in enumerate(parts):
        path.rename(folder / f"{place:05}.{suffix}")
    for path in folder.iterdir():
        if path.name.startswith((".", "_")):
            path.unlink()


def _sha(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
