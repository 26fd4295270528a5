"""Landing folders: which files are new, their digests and records, and what their columns are."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from recsys_batch.config import FileFormat
from recsys_batch.errors import LandingError
from recsys_batch.ingest import parquet
from recsys_batch.ingest.lines import (
    BLOCK,
    HELD,
    LineBlocks,
    LineForm,
    codec_of,
    text_stream,
)
from recsys_batch.ingest.objects import S3Folder, S3Object, s3_folder
from recsys_batch.ingest.quoting import quoting
from recsys_batch.ingest.records import Piece, first_record, survey
from recsys_batch.ingest.stamps import Stamps
from recsys_batch.lake.logs import LOG

_HEADER = 1 << 20  # bytes of the longest header
_READERS = 4  # files digested at a time; hashing frees Python's lock


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
        SHA-256 (hex) of its bytes; of a growing file, of those up to its last whole line.
    size
        How many bytes those are.
    pieces
        Where its records are; of a file that has grown, its new records.
    columns
        Of Parquet, its columns as Spark SQL declares them.
    """

    name: str
    path: Path | S3Object
    digest: str
    size: int
    pieces: tuple[Piece, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        """How many (new) records it has."""
        return sum(piece.records for piece in self.pieces)

    @property
    def etag(self) -> str | None:
        """S3's name of its content; None on a disk."""
        return self.path.etag if isinstance(self.path, S3Object) else None


@dataclass(frozen=True)
class Taken:
    """What is known of a file that a complete batch took: digest, bytes, and S3's tag, if any."""

    digest: str
    size: int
    etag: str | None = None


_NOTHING = Taken(hashlib.sha256().hexdigest(), 0)


def landing_place(landing: str | Path) -> Path | S3Folder:
    """The folder on a disk, or the prefix at ``s3://BUCKET/PREFIX``."""
    return s3_folder(str(landing)) or Path(landing)


def new_files(
    folder: Path | S3Folder,
    source: FileFormat,
    *,
    taken: Mapping[str, Taken],
    longest: int | None = None,
    stamps: Stamps | None = None,
) -> tuple[LandingFile, ...]:
    """The files of a source that no batch has taken yet, or that have grown since, by name.

    Files whose names start with a dot or an underscore, or end with ``._COPYING_``, are still
    being written or no data, as everywhere in Hadoop's world, and are left alone.

    Parameters
    ----------
    folder
        The landing folder.
    source
        Its pattern says which files count.
    taken
        By name, what complete batches took last. A file whose content was taken under another
        name is not new.
    longest
        Bytes that a record may have; an open quote goes on for no more of them.
    stamps
        What is remembered of files on a disk, by which those that did not change are told unread;
        None reads all.

    Raises
    ------
    LandingError
        The folder is missing, holds no such file of a source that is not optional, a file cannot be
        read or is damaged, or a taken file now has other content.
    """
    require_folder(folder)
    paths = dict(sorted(_matching(folder, source.pattern)))
    if not paths and not taken and not source.optional:
        raise LandingError(
            f"no file matches {source.pattern!r}",
            where=str(folder),
            fix="put the files there, or correct `pattern` in the dataset's YAML",
        )
    form = line_form(source, longest)
    contents = {each.digest for each in taken.values()}

    def look(name: str) -> LandingFile | None:
        path, known = paths[name], taken.get(name)
        if stamps is None or isinstance(path, S3Object):
            return _look(name, path, source, form, known)
        with _readable(path):
            seen = stamps.look(path)
        digest = stamps.digest(name, seen)
        if digest is not None and (digest == known.digest if known else digest in contents):
            return None
        file = _look(name, path, source, form, known)
        if (read := file or known) is not None:
            stamps.note(name, seen, read.digest)
        return file

    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(look, paths))
    fresh: list[LandingFile] = []
    for file in found:
        if file is not None and file.digest not in contents:
            contents.add(file.digest)
            fresh.append(file)
    return tuple(fresh)


def require_folder(folder: Path | S3Folder) -> None:
    """Raise `LandingError` where a landing folder on a disk is missing."""
    if isinstance(folder, Path) and not folder.is_dir():
        raise LandingError(
            "there is no such landing folder",
            where=str(folder),
            fix="name the folder of your files with --landing DIR",
        )


def _matching(folder: Path | S3Folder, pattern: str) -> Iterator[tuple[str, Path | S3Object]]:
    if isinstance(folder, S3Folder):
        wanted = _glob(pattern)
        for item in folder.objects():
            name = item.key[len(folder.prefix) :].lstrip("/")
            if wanted.fullmatch(name) and not _hidden(item.name):
                yield name, item
        return
    for path in folder.glob(pattern):
        if (path.is_file() or _dangles(path)) and not _hidden(path.name):
            yield path.relative_to(folder).as_posix(), path


def _glob(pattern: str) -> re.Pattern[str]:
    """A glob as `pathlib` reads it, for names that are no paths of a disk."""
    parts = re.split(r"(\*\*/|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(
            known.get(part) or (part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
            for part in parts
        )
    )


def _dangles(path: Path) -> bool:
    """Whether it is a link to nothing: a file that cannot be read, and not one to pass over."""
    return path.is_symlink() and not path.exists()


def _hidden(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith("._COPYING_")


def _look(
    name: str, path: Path | S3Object, source: FileFormat, form: LineForm, taken: Taken | None
) -> LandingFile | None:
    """Digest a file and count its records; None where it holds nothing that is not taken."""
    if taken and taken.etag and isinstance(path, S3Object) and taken.etag == path.etag:
        return None
    if source.growing == "append" and codec_of(name) is None:
        return _whole_records(name, path, form, taken or _NOTHING)
    if taken is None:
        return _described(name, path, source, form)
    with _readable(path), path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    if digest != taken.digest:
        raise _changed(path, taken.digest, digest)
    return None


def _changed(path: Path | S3Object, before: str, now: str) -> LandingError:
    return LandingError(
        f"the file was taken with digest {before[:16]} and now has {now[:16]}",
        where=str(path),
        fix="restore it, and land corrections as a new file",
    )


class _Digesting(io.RawIOBase):
    """A file that is digested as it is read."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self.sha, self.size = handle, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._handle.read(size)
        self.sha.update(block)
        self.size += len(block)
        return block


def _described(name: str, path: Path | S3Object, source: FileFormat, form: LineForm) -> LandingFile:
    """A file that no batch has taken, read once."""
    columns: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    with _readable(path), path.open("rb") as handle:
        if source.format == "parquet":
            sha = hashlib.file_digest(handle, "sha256")
            size = handle.tell()
            if size:
                schema, pieces = parquet.survey(handle)
                columns = _spark_columns(schema, path)
        else:
            digesting = _Digesting(handle)
            blocks = LineBlocks(text_stream(digesting, name), longest=HELD)
            pieces = survey(blocks, form, divide=codec_of(name) is None)
            while digesting.read(BLOCK):
                pass  # what follows the end of the compressed text
            sha, size = digesting.sha, digesting.size
    return LandingFile(name, path, sha.hexdigest(), size, pieces, columns)


class _WholeLines:
    """Blocks of a file from where it stands, but for a last line without end; and their size."""

    def __init__(self, handle: Any) -> None:
        self._blocks, self.size = LineBlocks(handle), 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            if block.endswith(b"\n"):
                self.size += len(block)
                yield block


def _whole_records(
    name: str, path: Path | S3Object, form: LineForm, taken: Taken
) -> LandingFile | None:
    """The whole records that a growing file has beyond what was taken of it.

    Lines behind a quote that is open still wait for its end, which the log tells.
    """
    sha, size = hashlib.sha256(), 0

    def take(block: bytes) -> None:
        nonlocal size
        sha.update(block)
        size += len(block)

    with _readable(path), path.open("rb") as handle:
        line, last = 1, b"\n"
        for block in LineBlocks(handle, taken.size):
            take(block)
            line, last = line + block.count(b"\n"), block[-1:]
        if sha.hexdigest() != taken.digest:
            while block := handle.read(BLOCK):
                sha.update(block)
            raise _changed(path, taken.digest, sha.hexdigest())
        lines = _WholeLines(handle)
        pieces = survey(lines, form, start=size, line=line, waits=True, passed=take)
    if waiting := taken.size + lines.size - size:
        LOG.warning("%s: %d bytes wait for the end of a field in quotes", path, waiting)
    if size == taken.size:
        return None
    if last != b"\n":
        raise LandingError(
            f"the file has grown, but line {line} was taken before it ended",
            where=str(path),
            fix="restore it, and land what is new as a new file",
        )
    return LandingFile(name, path, sha.hexdigest(), size, pieces)


def line_form(source: FileFormat, longest: int | None) -> LineForm:
    """What of a source's format decides about its lines; `longest` as of `new_files`."""
    if source.format != "csv":
        return LineForm(header=False, encoding=source.encoding)
    most = HELD if longest is None else min(longest, HELD)
    return LineForm(
        source.header, source.encoding, quoting(source.delimiter, source.encoding, most)
    )


@contextmanager
def _readable(path: Path | S3Object) -> Iterator[None]:
    """Make one sentence of a file that cannot be read."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise LandingError(
                f"the file cannot be read ({error.strerror})",
                where=str(path),
                fix="give this user the right to read it, or move it away",
            ) from error
        raise LandingError(
            f"the file is damaged, cut off, or not what its name or `format` says "
            f"({' '.join(str(error).split())[:150]})",
            where=str(path),
            fix="land it again whole, or move it away",
        ) from error


def _spark_columns(schema: Any, path: Path | S3Object) -> tuple[str, ...]:
    where = str(path)
    _require_distinct(schema.names, "the file", where)
    try:
        return parquet.columns(schema)
    except TypeError as error:
        raise LandingError(
            f"the file has {error}", where=where, fix="write that column with another type"
        ) from error


def header(file: LandingFile, source: FileFormat) -> tuple[str, ...]:
    """Column names in the first record of a CSV file; column 3 is ``_c2`` where it has no name.

    Raises
    ------
    LandingError
        The line is blank, is not text in the declared encoding, or names a column twice.
    """
    where = f"{file.path}, line 1"
    with _readable(file.path), file.path.open("rb") as handle:
        line = _first_record(text_stream(handle, file.name), line_form(source, _HEADER))
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
    _require_distinct(names, "the header", where)
    return names


def _first_record(stream: Any, form: LineForm) -> bytes:
    begin = b""
    while len(begin) < _HEADER and (block := stream.read(_HEADER)):
        begin += block
    return first_record(begin, form)


def _require_distinct(names: Sequence[str], what: str, where: str) -> None:
    """Places are told and not names, which of a file without a header are values."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names, start=1):
        places.setdefault(name.lower(), []).append(place)
    alike = next((each for each in places.values() if len(each) > 1), None)
    if alike:
        raise LandingError(
            f"{what} gives {len(names)} columns names, and columns "
            f"{' and '.join(map(str, alike[:2]))} the same one",
            where=where,
            fix="give each column a name of its own (capitals make no difference), or, where line "
            "1 is no header, set `header: false` and name the `columns` in the dataset's YAML",
        )


def _split(text: str, delimiter: str) -> Sequence[str]:
    return next(csv.reader(io.StringIO(text), delimiter=delimiter), [])
