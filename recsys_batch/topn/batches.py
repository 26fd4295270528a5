"""Lists of any number of users as a stream of Arrow batches, in memory that stays the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys_batch import columns as c
from recsys_batch.errors import InputDataError
from recsys_batch.topn import checks
from recsys_batch.topn.kernel import top_n
from recsys_batch.topn.masks import Mask, availability
from recsys_batch.topn.prepared import PreparedItems

_BLOCK_ENTRIES = 1 << 20  # entries of lists at a time: some 30 MB, and thousands of users


def list_batches(
    user_factors: NDArray[np.float32],
    item_factors: NDArray[np.float32] | PreparedItems,
    *,
    n: int,
    user_keys: pa.Array,
    item_ids: pa.Array,
    exclude: Mask = None,
    allow: Mask = None,
    threads: int | None = None,
    block_users: int | None = None,
) -> pa.RecordBatchReader:
    """Rank users block by block, one block ahead of what is asked for.

    Lists are those of `top_n`. The user factors may be mapped from a file (``np.load(path,
    mmap_mode="r")``): they are never copied as a whole.

    Parameters
    ----------
    user_factors, item_factors, n, exclude, allow, threads
        As in `top_n`.
    user_keys, item_ids
        Names of the rows of both factor matrices, of any Arrow type.
    block_users
        Users a batch; None for as many as have about a million entries in their lists.

    Returns
    -------
    pa.RecordBatchReader
        ``user_key`` and ``items``, a list of structs of ``item_id`` and ``score``, best first;
        users in the order of their factors. It can be read once.

    Raises
    ------
    InputDataError
        Keys or ids are not one a row, or the factors or masks are such as `top_n` refuses.
    ConfigError
        `n` or `block_users` is not an integer of 1 or more.
    """
    users = max(1, _BLOCK_ENTRIES // checks.check_count(n, name="n"))
    size = users if block_users is None else checks.check_count(block_users, name="block_users")
    prepared = (
        item_factors if isinstance(item_factors, PreparedItems) else PreparedItems(item_factors)
    )
    _check_users(user_factors, prepared)
    _check_names(user_keys, len(user_factors), name="user_keys")
    _check_names(item_ids, prepared.shape[0], name="item_ids")
    availability(exclude, allow, users=len(user_factors), items=prepared.shape[0])
    entry = pa.struct([(c.ITEM_ID, item_ids.type), (c.SCORE, pa.float32())])
    schema = pa.schema([(c.USER_KEY, user_keys.type), (c.ITEMS, pa.list_(entry))])

    def rank(first: int) -> pa.RecordBatch:
        block = slice(first, first + size)
        rows, scores = top_n(
            np.array(user_factors[block]),  # compiled functions differ for read-only arrays
            prepared,
            n=n,
            exclude=_of_users(exclude, block),
            allow=_of_users(allow, block),
            threads=threads,
        )
        lists = _lists(rows, scores, item_ids, entry)
        return pa.RecordBatch.from_arrays([user_keys[block], lists], schema=schema)

    starts = range(0, len(user_factors), size)
    return pa.RecordBatchReader.from_batches(schema, _one_ahead(rank, starts))


def _one_ahead(rank: Callable[[int], pa.RecordBatch], starts: range) -> Iterator[pa.RecordBatch]:
    """What `rank` makes of each start; the next is made while its reader is busy with one."""
    with ThreadPoolExecutor(1) as aside:
        following = deque(aside.submit(rank, start) for start in starts[:1])
        for start in starts[1:]:
            batch = following.popleft().result()
            following.append(aside.submit(rank, start))
            yield batch
        for last in following:
            yield last.result()


def _check_users(factors: NDArray[np.float32], prepared: PreparedItems) -> None:
    """Refuse, before any list is made, what `top_n` would refuse in a later block."""
    checks.check_factors(factors, name="user_factors")
    checks.check_dimensions(factors.shape[1], prepared.shape[1])
    checks.check_magnitude(checks.row_norms(factors, name="user_factors"), prepared.norms)


def _check_names(names: pa.Array, rows: int, *, name: str) -> None:
    if len(names) != rows:
        raise InputDataError(
            f"{len(names)} names for {rows} rows of factors",
            where=f"list_batches {name}",
            fix="pass one name a row, in the order of the rows",
        )


def _of_users(mask: Mask, block: slice) -> Mask:
    """The rows of a mask that differs by user; one for all users stays as it is."""
    return mask if mask is None or mask.ndim == 1 else mask[block]


def _lists(
    rows: NDArray[np.int32], scores: NDArray[np.float32], ids: pa.Array, entry: pa.DataType
) -> pa.ListArray:
    """Lists as Arrow, without the places that users with few items leave empty."""
    there = rows >= 0
    items = pa.StructArray.from_arrays(
        [ids.take(pa.array(rows[there])), pa.array(scores[there])], fields=list(entry)
    )
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), items)
