"""The manifest of an edge store: what it holds and the digests that prove it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_batch.errors import EdgeError

DATA = "data.mdb"
MANIFEST = "manifest.json"
_FORMAT = 2
_CHUNK = 1 << 20


def make_manifest(
    *,
    publication_id: str,
    as_of: str,
    entries: int,
    content_sha256: str,
    data: Path,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the manifest of a finished data file; ``manifest_sha256`` covers the rest of it."""
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "publication_id": publication_id,
        "as_of": as_of,
        "entries": entries,
        "content_sha256": content_sha256,
        "data_bytes": data.stat().st_size,
        "data_sha256": file_digest(data),
        "details": json.loads(json.dumps(dict(details))),
    }
    manifest["manifest_sha256"] = _own_digest(manifest)
    return manifest


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest as its file holds it."""
    return (json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the store in `folder`.

    Raises
    ------
    EdgeError
        There is none, it was changed, or it belongs to another publication or format.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EdgeError(
            "there is no edge store here",
            where=str(folder),
            fix="export the publication again, or roll back to a kept one",
        ) from error
    try:
        manifest = dict(json.loads(content))
        intact = manifest_bytes(manifest) == content
        intact = intact and manifest["manifest_sha256"] == _own_digest(manifest)
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise _damaged(path, "the manifest was changed or cut")
    if manifest["format"] != _FORMAT or manifest["publication_id"] != folder.name:
        raise _damaged(
            path,
            f"the manifest is of publication {manifest['publication_id']!r}, "
            f"format {manifest['format']}",
        )
    return manifest


def verify_store(folder: Path) -> dict[str, Any]:
    """Check the store in `folder` byte by byte against its manifest, and return the manifest.

    Raises
    ------
    EdgeError
        The store is missing, cut, or differs from its manifest by as little as a bit.
    """
    manifest = read_manifest(folder)
    path = folder / DATA
    size = path.stat().st_size if path.is_file() else 0
    if size != manifest["data_bytes"]:
        raise _damaged(path, f"the file has {size} bytes instead of {manifest['data_bytes']}")
    digest = file_digest(path)
    if digest != manifest["data_sha256"]:
        raise _damaged(path, f"the file's SHA-256 is {digest} instead of {manifest['data_sha256']}")
    return manifest


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _own_digest(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(manifest_bytes(rest)).hexdigest()


def _damaged(path: Path, what: str) -> EdgeError:
    return EdgeError(
        what, where=str(path), fix="export the publication again, or roll back to a kept one"
    )
