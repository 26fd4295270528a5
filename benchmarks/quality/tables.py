"""The public tables as matrices, each with the test of its published protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from recsys_batch.models.sources import SourceData

DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Table:
    """A table in its published split.

    Attributes
    ----------
    data
        Training interactions; row u is ``users[u]``, column i is ``items[i]``.
    test
        Users x items: what must be found.
    users, items
        The source's ids.
    given
        Of a protocol that ranks given items: these, ascending, then -1, for each of ``rows``; None
        where all items are ranked that the user has not in training.
    rows
        User rows that are tested.
    """

    data: SourceData
    test: sparse.csr_matrix
    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    given: Ints | None = None


def matrix(
    users: npt.ArrayLike, items: npt.ArrayLike, shape: tuple[int, int], values: object = 1.0
) -> sparse.csr_matrix:
    """CSR of pairs, sorted; of a repeated pair the greatest value holds."""
    frame = pd.DataFrame({"u": users, "i": items, "v": values})
    frame = frame.groupby(["u", "i"], as_index=False)["v"].max()
    entries = (frame["v"].to_numpy(np.float32), (frame["u"], frame["i"]))
    found = sparse.csr_matrix(entries, shape=shape, dtype=np.float32)
    found.sort_indices()
    return found


def gowalla(folder: Path = DATASETS) -> Table:
    """Gowalla in the LightGCN split: all items are ranked."""
    train, test = (pd.read_parquet(folder / "gowalla" / f"{part}.parquet") for part in PARTS)
    shape = (29858, 40981)
    return _ranked(
        SourceData(matrix(train["user"], train["item"], shape)),
        matrix(test["user"], test["item"], shape),
    )


def movielens_1m(folder: Path = DATASETS) -> Table:
    """MovieLens 1M, leave one out: the held-out item among 99 fixed negatives."""
    home = folder / "ml-1m-leave-one-out"
    train, test = (pd.read_parquet(home / f"{part}.parquet") for part in PARTS)
    negatives = pd.read_parquet(home / "negatives.parquet").sort_values("user")
    movies = pd.read_parquet(home / "movies.parquet").sort_values("item")
    shape = (6040, 3706)
    texts = tuple(movies["title"] + " " + movies["genres"].str.replace("|", " "))
    lists = [[row.item, *row.negatives] for row in negatives.itertuples()]
    return Table(
        SourceData(matrix(train["user"], train["item"], shape), texts=texts),
        matrix(test["user"], test["item"], shape),
        np.arange(shape[0]),
        np.arange(shape[1]),
        negatives["user"].to_numpy(np.int64),
        _distinct(lists),
    )


def _distinct(lists: list[list[int]]) -> Ints:
    """Ascending and without repetitions, then -1: negatives were drawn with replacement.

    The protocol's own evaluation keeps scores by item, so that a repeated one counts once.
    """
    out = np.full((len(lists), max(map(len, lists))), -1, dtype=np.int32)
    for row, items in zip(out, lists, strict=True):
        own = np.unique(items)
        row[: len(own)] = own
    return out


def movielens_100k(folder: Path = DATASETS) -> Table:
    """MovieLens 100K, 75 % of each user's ratings to train, as `recommenders` splits them.

    `python_stratified_split(ratio=0.75, seed=42)` shuffles each user's rows with that seed and
    cuts at the rounded share. All ratings are interactions; a higher one weighs more, by shares
    found on validation.
    """
    train, test = stratified(read_movielens_100k(folder))
    users, items = np.unique(train["user"]), np.unique(train["item"])
    test = test[test["item"].isin(items)]
    shape = (len(users), len(items))
    coded = [
        (np.searchsorted(users, part["user"]), np.searchsorted(items, part["item"]))
        for part in (train, test)
    ]
    ages = (train["time"].max() - train["time"]) / 86400
    by_pair = matrix(*coded[0], shape, ages.to_numpy() + 1)
    weights = 0.4 + 0.6 * train["rating"] / train["rating"].mean()
    data = SourceData(
        matrix(*coded[0], shape, weights.to_numpy()),
        ages=by_pair.data - 1,
        texts=tuple(movielens_texts(folder).loc[items]),
    )
    return _ranked(data, matrix(*coded[1], shape), users, items)


def read_movielens_100k(folder: Path) -> pd.DataFrame:
    """user, item, rating, time (seconds)."""
    names = ["user", "item", "rating", "time"]
    return pd.read_csv(folder / "ml-100k" / "u.data", sep="\t", names=names)


def movielens_texts(folder: Path) -> pd.Series:
    """Title and genres by item id."""
    genres = pd.read_csv(folder / "ml-100k" / "u.genre", sep="|", header=None)[0].tolist()
    names = ["item", "title", "release", "video", "url", *genres]
    films = pd.read_csv(
        folder / "ml-100k" / "u.item", sep="|", names=names, encoding="latin-1", index_col="item"
    )
    flags = films[genres].to_numpy()
    words = [" ".join(np.array(genres)[row == 1]) for row in flags]
    return films["title"] + " " + pd.Series(words, index=films.index)


def stratified(ratings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut each user's shuffled rows at 75 %."""
    train, test = [], []
    for _, own in ratings.groupby("user"):
        shuffled = own.sample(frac=1, random_state=42)
        cut = round(len(shuffled) * 0.75)
        train.append(shuffled.iloc[:cut])
        test.append(shuffled.iloc[cut:])
    return pd.concat(train), pd.concat(test)


def _ranked(
    data: SourceData,
    test: sparse.csr_matrix,
    users: npt.NDArray[np.int64] | None = None,
    items: npt.NDArray[np.int64] | None = None,
) -> Table:
    ids = [
        np.arange(size) if own is None else own
        for own, size in zip((users, items), test.shape, strict=True)
    ]
    return Table(data, test, ids[0], ids[1], np.flatnonzero(np.diff(test.indptr)))


PARTS = ("train", "test")
TABLES: dict[str, Callable[[Path], Table]] = {
    "gowalla": gowalla,
    "ml1m": movielens_1m,
    "ml100k": movielens_100k,
}
