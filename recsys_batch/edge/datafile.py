"""The data file of an edge store: entries in, entries out, through LMDB.

LMDB zeroes the pages it allocates, and one transaction of sorted appends allocates them in order,
so identical entries give an identical file on machines of one page size.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import lmdb

from recsys_batch.edge.bodies import MAX_KEY_BYTES
from recsys_batch.errors import EdgeError

MAP_SIZE = 1 << 36  # 64 GiB of address space, not of disk or memory; stored in the file
_LENGTHS = struct.Struct("<HI")
_BATCH = 512

Pair = tuple[bytes, bytes]


def write_entries(path: Path, entries: Iterable[tuple[str, bytes]]) -> tuple[str, int]:
    """Write the data file durably; return the SHA-256 and the number of its entries.

    Raises
    ------
    EdgeError
        Keys are not strictly ascending or are too long, there are no entries, or the disk is full.
    """
    digest = hashlib.sha256()
    count = 0
    try:
        with lmdb.open(
            str(path), subdir=False, map_size=MAP_SIZE, lock=False, sync=False, metasync=False
        ) as env:
            with env.begin(write=True) as transaction, transaction.cursor() as cursor:
                for pairs in _batches(_checked(entries)):
                    _digest(pairs, digest)
                    count += cursor.putmulti(pairs, append=True)[1]
            env.sync(True)
    except lmdb.Error as error:
        raise EdgeError(
            f"LMDB cannot write the store ({error})",
            where=str(path),
            fix="free disk space; a store holds at most 64 GiB",
        ) from error
    if not count:
        raise EdgeError(
            "there are no entries", where=str(path), fix="export a publication that has lists"
        )
    return digest.hexdigest(), count


def read_back(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the number of the entries a data file holds."""
    digest = hashlib.sha256()
    count = 0
    with open_read_only(path) as env, env.begin() as transaction, transaction.cursor() as cursor:
        for pairs in _batches(cursor):
            _digest(pairs, digest)
            count += len(pairs)
    return digest.hexdigest(), count


def _checked(entries: Iterable[tuple[str, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    last = b""
    for name, value in entries:
        key = name.encode()
        if key <= last or len(key) > MAX_KEY_BYTES:
            wrong = "is too long" if len(key) > MAX_KEY_BYTES else f"follows {last[:60]!r}"
            raise EdgeError(
                f"the key {name[:60]!r} {wrong}",
                where="entries of an edge store",
                fix=f"sort by key, each key once, at most {MAX_KEY_BYTES} bytes",
            )
        last = key
        yield key, value


def _batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    rest = iter(pairs)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _digest(pairs: list[Pair], digest: hashlib._Hash) -> None:
    """Take in each pair's lengths, key and value, as one block of bytes."""
    parts = ((_LENGTHS.pack(len(key), len(value)), key, value) for key, value in pairs)
    digest.update(b"".join(chain.from_iterable(parts)))


def open_read_only(path: Path) -> lmdb.Environment:
    """Open a data file for any number of readers: no lock file, as nobody writes any more."""
    return lmdb.open(
        str(path), subdir=False, readonly=True, lock=False, map_size=0, readahead=False
    )
