"""Cutting users into blocks and sharing the blocks among threads."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile

import numpy as np
from numpy.typing import NDArray

from recsys_batch.topn import pack
from recsys_batch.topn.guess import sample_tiles
from recsys_batch.topn.jit import GROUP, WIDTH
from recsys_batch.topn.masks import Availability
from recsys_batch.topn.prepared import PreparedItems, widened
from recsys_batch.topn.scan import scan
from recsys_batch.topn.state import Block, Items, Scratch

_BLOCK_USERS = 240
_BLOCK_BYTES = 2 << 20  # candidates of a block, which should stay in a core's cache
# An exact score costs some 3,000 times one dimension of one pair's bound, and int8 saves three
# quarters of the work of float32: more exact scores than this share of a user's are a loss.
_PAIRS_THAT_PAY = 1 / 3000
_TRIAL_USERS = 4 * GROUP


def _pack_users(
    factors: NDArray[np.float32], norms: NDArray[np.float64], first: int, *, int8: bool
) -> Block:
    wide = widened(factors)
    users = len(wide)
    block = Block(
        first,
        wide,
        norms,
        np.zeros(wide.shape, dtype=np.int8 if int8 else np.float32),
        np.zeros(users),
        np.zeros((users, 3), dtype=np.float32),
        np.zeros(users, dtype=np.int32),
    )
    pack_each = pack.pack_users_int8 if int8 else pack.pack_users_float32
    pack_each(wide, norms, block.packed, block.scales, block.stats, block.starts)
    return block


def _scratch(users: int, capacity: int, items: Items) -> Scratch:
    values = np.zeros(capacity, dtype=np.float32)
    return Scratch(
        np.zeros((users, capacity), dtype=np.uint32),
        np.zeros((users, capacity), dtype=np.float32),
        np.zeros(users, dtype=np.int64),
        np.zeros(users, dtype=np.int64),
        np.zeros(users, dtype=np.bool_),
        np.zeros(users + GROUP, dtype=np.int64),
        np.zeros(users + GROUP, dtype=np.int64),
        np.zeros(GROUP, dtype=np.int64),
        np.zeros((GROUP, WIDTH), dtype=np.float32),
        np.zeros((sample_tiles(len(items.packed)), GROUP, WIDTH), dtype=np.float32),
        np.zeros(len(items.positions), dtype=np.uint8),
        values,
        values.view(np.uint32),
        np.zeros(capacity, dtype=np.uint64),
        np.zeros(capacity, dtype=np.uint64),
        np.zeros(1, dtype=np.int64),
    )


def run(
    factors: NDArray[np.float32],
    norms: NDArray[np.float64],
    prepared: PreparedItems,
    available: Availability,
    *,
    n: int,
    threads: int,
    int8: bool,
    out: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Fill `out` with the lists of all users.

    With `int8`, the first users also show whether eight bits part these factors well enough;
    where more pairs than pay have to be scored exactly, float32 takes over.
    """
    ranker = _Ranker(factors, norms, prepared.int8 if int8 else prepared.float32, available, n, out)
    done = 0
    if int8:
        done, pairs = ranker.rank_blocks(iter([0]), size=_TRIAL_USERS)
        in_vain = pairs - done * n
        if in_vain > _PAIRS_THAT_PAY * done * len(prepared.rows) * prepared.shape[1]:
            ranker = _Ranker(factors, norms, prepared.float32, available, n, out)
    starts = count(done, ranker.block_users)  # next() of it is atomic: threads share it
    if threads == 1 or len(factors) - done <= ranker.block_users:
        ranker.rank_blocks(starts)
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(ranker.rank_blocks, starts) for _ in range(threads)]:
            future.result()


class _Ranker:
    """What all blocks of a call have in common."""

    def __init__(
        self,
        factors: NDArray[np.float32],
        norms: NDArray[np.float64],
        items: Items,
        available: Availability,
        n: int,
        out: tuple[NDArray[np.int32], NDArray[np.float32]],
    ) -> None:
        self._factors, self._norms, self._items = factors, norms, items
        self._available, self._n, self._out = available, n, out
        most = len(items.packed) * WIDTH + WIDTH
        self._capacity = min(2 * n + 4 * WIDTH, most)
        fitting = _BLOCK_BYTES // (8 * self._capacity) // GROUP * GROUP
        self.block_users = max(GROUP, min(_BLOCK_USERS, fitting))

    def rank_blocks(self, starts: Iterator[int], size: int | None = None) -> tuple[int, int]:
        """Rank the blocks at `starts`; return users ranked and pairs scored exactly."""
        size = min(size or self.block_users, self.block_users)
        scratch = _scratch(self.block_users, self._capacity, self._items)
        int8 = self._items.packed.dtype == np.uint8
        users = 0
        for first in takewhile(lambda start: start < len(self._factors), starts):
            last = min(first + size, len(self._factors))
            block = _pack_users(
                self._factors[first:last], self._norms[first:last], first, int8=int8
            )
            available = self._available
            scan(
                block, self._items, available.exclude, available.allow, scratch, self._n, *self._out
            )
            users += last - first
        return users, int(scratch.work[0])
