"""Pairs of users and items to train on and to be judged by: made ones, and Gowalla's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from recsys_batch.evaluation import accuracy
from recsys_batch.evaluation.lists import blocks
from recsys_batch.topn import top_n

GENRES = 40
HELD_OUT = 0.1  # held-out pairs for each pair to train on
K = 10


@dataclass(frozen=True)
class Pairs:
    """Who took what, users x items, ones: to train on, and held out."""

    train: sparse.csr_matrix
    test: sparse.csr_matrix

    @property
    def told(self) -> str:
        """The sizes, in words."""
        users, items = self.train.shape
        return (
            f"{self.train.nnz:,} pairs of {users:,} users x {items:,} items, "
            f"{self.test.nnz:,} held out"
        )

    def write(self, path: Path) -> None:
        """Store the pairs to train on as a Parquet file: user, item, weight."""
        found = self.train.tocoo()
        columns = {"user": found.row, "item": found.col, "weight": found.data}
        pq.write_table(pa.table(columns), path)


def read_pairs(path: Path, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Read what `Pairs.write` stored."""
    stored = pq.read_table(path)
    user, item, weight = (stored[name].to_numpy() for name in ("user", "item", "weight"))
    return sparse.csr_matrix((weight, (user, item)), shape)


def made_pairs(users: int, items: int, pairs: int, seed: int) -> Pairs:
    """Pairs with a planted taste: a user has few genres, a genre's items a long tail.

    Activity of users is log-normal, popularity of a genre's items falls as rank to the power -.8;
    `pairs` are to train on, a tenth more are held out at random.
    """
    rng = np.random.default_rng(seed)
    wanted = pairs + int(pairs * HELD_OUT)
    if wanted > users * items // 4:
        raise ValueError(f"{wanted} of {users * items} pairs are too many to be a taste")
    keys = np.zeros(0, dtype=np.int64)
    for drawn in _draws(users, items, wanted, rng):
        keys = np.unique(np.concatenate([keys, drawn]))
        if len(keys) >= wanted:
            break
    keys = rng.permutation(keys)[:wanted]
    return Pairs(*(_matrix(each, (users, items)) for each in (keys[:pairs], keys[pairs:])))


def _draws(
    users: int, items: int, size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Keys, user times items plus item, as taste and popularity will have them."""
    genres = min(GENRES, items)
    taste = np.cumsum(rng.dirichlet(np.full(genres, 0.1), size=users), axis=1)
    activity = rng.lognormal(size=users)
    others = rng.integers(genres, size=items - genres)
    genre_of = np.sort(np.concatenate([np.arange(genres), others]))
    first = np.searchsorted(genre_of, np.arange(genres))
    popularity = (np.arange(items) - first[genre_of] + 1.0) ** -0.8
    before = np.cumsum(popularity) - popularity
    within = (before - before[first][genre_of]) / np.bincount(genre_of, popularity)[genre_of]
    shuffled = rng.permutation(items)
    taste[:, -1] = 1.0
    while True:
        user = rng.choice(users, size=size, p=activity / activity.sum())
        # Rows of cumulated shares, each shifted by its number, are one ascending array.
        shifted = (taste + np.arange(users)[:, None]).ravel()
        genre = np.searchsorted(shifted, user + rng.random(size)) - user * genres
        genre = np.minimum(genre, genres - 1)
        place = np.searchsorted(genre_of + within, genre + rng.random(size), side="right") - 1
        yield user.astype(np.int64) * items + shuffled[place]


def gowalla_pairs(folder: Path) -> Pairs:
    """Gowalla in the LightGCN split."""
    parts = [pq.read_table(folder / f"{name}.parquet") for name in ("train", "test")]
    both = pa.concat_tables(parts)
    shape = tuple(int(both[name].to_numpy().max()) + 1 for name in ("user", "item"))
    keys = [
        part["user"].to_numpy().astype(np.int64) * shape[1] + part["item"].to_numpy()
        for part in parts
    ]
    return Pairs(*(_matrix(each, (shape[0], shape[1])) for each in keys))


def without_some(pairs: Pairs, seed: int) -> Pairs:
    """Cut a tenth from the pairs to train on and hold it out, in place of the pairs held out."""
    found = pairs.train.tocoo()
    keys = found.row.astype(np.int64) * found.shape[1] + found.col
    keys = np.random.default_rng(seed).permutation(keys)
    cut = int(len(keys) * HELD_OUT)
    return Pairs(*(_matrix(each, found.shape) for each in (keys[cut:], keys[:cut])))


def _matrix(keys: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_matrix:
    ones = np.ones(len(keys), dtype=np.float32)
    return sparse.csr_matrix((ones, np.divmod(keys, shape[1])), shape)


def ndcg(pairs: Pairs, users: NDArray[np.float32], items: NDArray[np.float32]) -> float:
    """NDCG@10 of the best items by these factors, all ranked but those trained on, over users."""
    lists, _ = top_n(users, items, n=min(K, len(items)), exclude=pairs.train)
    values = [accuracy.ndcg(block.hits, block.relevant, k=K) for block in blocks(lists, pairs.test)]
    return float(np.nanmean(np.concatenate(values)))
