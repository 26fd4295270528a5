"""Where a dataset's tables lie: in its folder of the lake, or in S3; and opening them there.

A lake is a folder: of the lock, the pointer, the edge stores and all else that needs a file system.
Its tables alone may lie in an object store, and then the folder remembers where.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch.errors import LakeError
from recsys_batch.lake import s3
from recsys_batch.lake.s3 import S3Place, s3_place
from recsys_batch.lake.tables import TABLES

if TYPE_CHECKING:
    from deltalake import DeltaTable

Place = Path | S3Place

_NOTE = "tables.json"  # in the dataset's folder: the address of its tables
_OWNER = "lake.json"  # at that address: which lake's they are
_COLOURS = re.compile(r"\x1b\[\d*m|↳")
_CODE = re.compile(r"<Code>(\w+)</Code>")


def lake_folder(given: str) -> Path:
    """The folder of a lake; raise `LakeError` where an address is given in its stead."""
    if "://" in given:
        raise LakeError(
            "a lake is a folder, of which the tables alone may lie in S3",
            where=given,
            fix="name a folder with --lake DIR, and the address as lake.tables in the settings",
        )
    return Path(given).absolute()


def tables_place(home: Path) -> Place:
    """What the tables of the dataset at `home` lie below."""
    try:
        return _noted(home / _NOTE)
    except FileNotFoundError:
        return home


def table_path(home: Path, name: str) -> Place:
    """Where table `name` of the dataset at `home` lies."""
    return tables_place(home) / TABLES[name].layer / name


def settle(home: Path, address: str | None) -> Place:
    """Remember where the tables of a dataset lie, refuse another place than before, and return it.

    The caller holds the write lock. A place belongs to one lake, since its lock keeps all writers
    apart: an object there says whose it is.

    Parameters
    ----------
    address
        ``s3://BUCKET/PREFIX`` that the dataset's tables lie below; None for what was remembered,
        which is the dataset's folder at first.

    Raises
    ------
    LakeError
        The tables lie elsewhere, belong to another lake, or S3 refuses or does not answer.
    """
    known = tables_place(home)
    place = s3_place(address) if address is not None else None
    if isinstance(known, S3Place):
        if place not in {None, known}:
            raise _elsewhere(home, known, address)
        _require_owned(known, _read(home / _NOTE)["lake"])
        return known
    if place is None:
        return known
    if any(has_version(table_path(home, name)) for name in TABLES):
        raise _elsewhere(home, home, address)
    planned = home / f".{_NOTE}"  # so that a kill after the next step does not lock the lake out
    if not planned.exists() or _noted(planned) != place:
        note = {"bucket": place.bucket, "prefix": place.prefix, "lake": secrets.token_hex(16)}
        unfinished = home / f".{_NOTE}.new"
        unfinished.write_text(json.dumps(note) + "\n", encoding="utf-8")
        unfinished.replace(planned)
    _require_owned(place, _read(planned)["lake"])
    planned.replace(home / _NOTE)
    return place


def _read(note: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(note.read_text(encoding="utf-8"))
    return found


def _noted(note: Path) -> S3Place:
    found = _read(note)
    return S3Place(found["bucket"], found["prefix"])


def _elsewhere(home: Path, known: Place, address: str | None) -> LakeError:
    return LakeError(
        f"the tables of this lake lie at {known}, not at {address}",
        where=str(home),
        fix="correct lake.tables in the settings, or name another lake with --lake DIR",
    )


def _require_owned(place: S3Place, lake: str) -> None:
    """Put the lake's name where nobody's is; raise `LakeError` where it is another's."""
    owner = place / _OWNER
    with s3.told(place, LakeError):
        named = s3.content(owner)
        if named is None:
            s3.put_once(owner, json.dumps({"lake": lake}).encode())
            named = s3.content(owner)
    if named is None or json.loads(named)["lake"] != lake:
        raise LakeError(
            "these tables belong to the lake of another folder",
            where=str(place),
            fix="use that folder, name another prefix in lake.tables, or, if that folder is lost "
            f"and nothing writes there any more, remove {owner}",
        )


def spark_path(place: Place) -> str:
    """A place's address as Spark reads it."""
    return place.hadoop if isinstance(place, S3Place) else str(place)


def storage_options(place: Place | str) -> dict[str, str] | None:
    """What deltalake is told of the place beside its address."""
    return s3.delta_options() if str(place).startswith("s3://") else None


def open_table(place: Place | str, *, version: int | None = None) -> DeltaTable:
    """A Delta table, at its latest version or another."""
    from deltalake import DeltaTable

    return DeltaTable(str(place), version=version, storage_options=storage_options(place))


def logged_files(place: Place) -> list[dict[str, Any]]:
    """What the log says of each file of a table's latest version.

    Raises
    ------
    LakeError
        The log cannot be read.
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        files = pa.table(open_table(place).get_add_actions(flatten=True))
    except (DeltaError, OSError) as error:
        raise unreadable(place, error) from error
    found: list[dict[str, Any]] = files.to_pylist()
    return found


def has_version(place: Place) -> bool:
    """Whether a table's place holds a committed version."""
    if isinstance(place, Path):
        return any((place / "_delta_log").glob("*.json"))
    with s3.told(place, LakeError):
        return bool(s3.keys_below(place / "_delta_log", most=1))


def refuse_half_written(place: Place) -> None:
    """Raise `LakeError` where a table's place holds data but no version."""
    if has_version(place):
        return
    if isinstance(place, Path):
        data = place.is_dir() and any(place.rglob("*.parquet"))
    else:
        with s3.told(place, LakeError):
            data = any(key.endswith(".parquet") for key in s3.keys_below(place, most=1000))
    if data:
        raise LakeError(
            "data files without a Delta log",
            where=str(place),
            fix="restore the folder from a copy, or remove it and run again from landing",
        )


def unreadable(place: Place, error: Exception) -> LakeError:
    """The error of a table that cannot be read."""
    fix = "restore it from a copy, or run the day again from landing in a new lake"
    return _told_by_deltalake("read", place, error, fix)


def unwritable(place: Place, error: Exception) -> LakeError:
    """The error of a table that cannot be written."""
    fix = "free disk space or correct the folder's rights, and run again"
    return _told_by_deltalake("written", place, error, fix)


def _told_by_deltalake(done: str, place: Place, error: Exception, fix: str) -> LakeError:
    """An error of a table; of S3 the reason is told from deltalake's many words."""
    said = " ".join(_COLOURS.sub("", str(error)).split())
    if isinstance(place, S3Place):
        code = _CODE.search(said)
        if code and code[1] != "NoSuchKey":
            said, fix = s3.refusal(code[1])
        elif "error sending request" in said or ("after" in said and "retries" in said):
            said, fix = s3.unreached(OSError(said.rpartition("error sending request ")[2]))
    return LakeError(f"the table cannot be {done} ({said[:200]})", where=str(place), fix=fix)
