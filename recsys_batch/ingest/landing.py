"""Landing folders: which files are new, what their digests are, and what their columns are."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.config import FileFormat
from recsys_batch.errors import LandingError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class LandingFile:
    """A file as it lies in the landing folder.

    Attributes
    ----------
    name
        Path below the folder, with ``/``.
    path
        Where it is.
    digest
        SHA-256 (hex) of its bytes.
    size
        Bytes.
    """

    name: str
    path: Path
    digest: str
    size: int


def new_files(
    folder: Path, source: FileFormat, *, taken: Mapping[str, str]
) -> tuple[LandingFile, ...]:
    """The files of a source that no batch has taken yet, by name.

    Files whose names start with a dot or an underscore, or end with ``._COPYING_``, are still
    being written or no data, as everywhere in Hadoop's world, and are left alone.

    Parameters
    ----------
    folder
        The landing folder.
    source
        Its pattern says which files count.
    taken
        Name to digest of the files that complete batches took. A file whose content was taken
        under another name is not new.

    Raises
    ------
    LandingError
        The folder is missing, holds no such file, a file cannot be read or has a colon in its
        name, or a taken file now has other content.
    """
    require_folder(folder)
    paths = sorted(
        path
        for path in folder.glob(source.pattern)
        if (path.is_file() or _dangles(path)) and not _hidden(path.name)
    )
    if not paths and not taken:
        raise LandingError(
            f"no file matches {source.pattern!r}",
            where=str(folder),
            fix="put the files there, or correct `pattern` in the dataset's YAML",
        )
    contents = set(taken.values())
    fresh: list[LandingFile] = []
    for path in paths:
        found = _describe(path, folder)
        known = taken.get(found.name)
        if known is not None and known != found.digest:
            raise LandingError(
                f"the file was taken with digest {known[:16]} and now has {found.digest[:16]}",
                where=str(path),
                fix="restore it, and land corrections as a new file",
            )
        if found.digest not in contents:
            contents.add(found.digest)
            fresh.append(found)
    return tuple(fresh)


def require_folder(folder: Path) -> None:
    """Raise `LandingError` where a landing folder is missing."""
    if not folder.is_dir():
        raise LandingError(
            "there is no such landing folder",
            where=str(folder),
            fix="name the folder of your files with --landing DIR",
        )


def _dangles(path: Path) -> bool:
    """Whether it is a link to nothing: a file that cannot be read, and not one to pass over."""
    return path.is_symlink() and not path.exists()


def _hidden(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith("._COPYING_")


def _describe(path: Path, folder: Path) -> LandingFile:
    if ":" in path.name:
        raise LandingError(
            "Spark cannot read a file with a colon in its name",
            where=str(path),
            fix="rename it",
        )
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise LandingError(
            f"the file cannot be read ({error.strerror})",
            where=str(path),
            fix="give this user the right to read it, or move it away",
        ) from error
    return LandingFile(path.relative_to(folder).as_posix(), path, digest.hexdigest(), size)


def header(file: LandingFile, source: FileFormat) -> tuple[str, ...]:
    """Column names in the first line of a CSV file; column 3 is ``_c2`` where it has no name.

    Raises
    ------
    LandingError
        The line is blank, is not text in the declared encoding, or names a column twice.
    """
    where = f"{file.path}, line 1"
    with file.path.open("rb") as handle:
        line = handle.readline(_BLOCK)
    try:
        text = line.decode(source.encoding).lstrip("\ufeff").rstrip("\r\n")
        given = [name.strip() for name in _split(text, source.delimiter)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LandingError(
            f"the header is not text in {source.encoding} ({error})",
            where=where,
            fix="set `format` and `encoding` in the dataset's YAML",
        ) from error
    if not any(given):
        raise LandingError(
            "the line that should name the columns is blank",
            where=where,
            fix="remove it, or set `header: false` and name the `columns` in the dataset's YAML",
        )
    names = tuple(name or f"_c{place}" for place, name in enumerate(given))
    alike = [name.lower() for name in names]
    repeated = sorted({name for name in names if alike.count(name.lower()) > 1})
    if repeated:
        raise LandingError(
            f"the header names {', '.join(repeated)} more than once",
            where=where,
            fix="give each column a name of its own; capitals make no difference",
        )
    return names


def _split(text: str, delimiter: str) -> Sequence[str]:
    return next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
