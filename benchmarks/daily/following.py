"""What users did after a published day, and how its lists compare with popularity as it stood."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.config import Settings, load_settings
from recsys_batch.evaluation.accuracy import accuracy
from recsys_batch.evaluation.intervals import Difference, paired
from recsys_batch.features.history import day_end
from recsys_batch.lake.places import table_path
from recsys_batch.models.recipes import Recipe, run_recipe
from recsys_batch.ranking.best import best_items

SEED = 20
Rows = np.ndarray


@dataclass(frozen=True)
class Published:
    """A day of a data set, run and published once in a lake."""

    dataset: str
    day: dt.date
    lake: Path

    @property
    def home(self) -> Path:
        """Folder of the data set in the lake."""
        return self.lake / self.dataset

    @cached_property
    def settings(self) -> Settings:
        """What the run used."""
        return load_settings(self.dataset)

    @cached_property
    def publication(self) -> str:
        """Id of the day's publication, which is also its run's."""
        sealed = self.table("publications").filter(pl.col(c.AS_OF) == self.day)
        return str(sealed[c.PUBLICATION_ID].item())

    @cached_property
    def recipe(self) -> Recipe:
        """What the day's log chose."""
        return run_recipe(self.home, self.publication)

    def table(self, name: str, **equal: str) -> pl.DataFrame:
        """Rows of a table of the lake whose columns equal the values given."""
        rows = pl.scan_delta(str(table_path(self.home, name)))
        return rows.filter(*(pl.col(key) == value for key, value in equal.items())).collect()


@dataclass(frozen=True)
class Following:
    """The users known on the day who had something relevant after it, and lists for them.

    Attributes
    ----------
    users
        Their keys, ascending; the row order of everything below.
    cold
        Users with something relevant after the day who were unknown on it.
    lists
        As published: item rows, users x n.
    popular
        The lists that they would have got by popularity as it stood on the day.
    counted
        The same by plain counts of all that went before, undecayed.
    truth
        What was relevant, users x items; an item that came after the day counts as missed.
    """

    users: list[str]
    cold: int
    lists: Rows
    popular: Rows
    counted: Rows
    truth: sparse.csr_matrix

    def ndcg(self, lists: Rows) -> np.ndarray:
        """NDCG@10 of each user."""
        return accuracy(lists, self.truth, k=10, recall_k=100)["ndcg"]

    def against(self, lists: Rows) -> Difference:
        """NDCG@10 of the published lists less that of others, by paired bootstrap of users."""
        ours, theirs = self.ndcg(self.lists), self.ndcg(lists)
        return paired(ours, theirs, resamples=2000, confidence=0.95, seed=SEED)


def following(day: Published) -> Following:
    """Hold the lists published on a day against the events after it."""
    relevant = _relevant(day)
    published = day.table("topn_user", publication_id=day.publication)
    known = relevant.filter(pl.col(c.USER_KEY).is_in(published[c.USER_KEY].implode()))
    users = sorted(known[c.USER_KEY].unique())
    items = day.table("items", run_id=day.publication, part="full").sort(c.ITEM_ID)
    row_of = {item: row for row, item in enumerate(items[c.ITEM_ID])}
    for item in sorted(set(known[c.ITEM_ID]) - set(row_of)):
        row_of[item] = len(row_of)
    listed = dict(zip(published[c.USER_KEY], published[c.ITEMS].to_list(), strict=True))
    lists = _matrix([[row_of[each[c.ITEM_ID]] for each in listed[user]] for user in users])
    barred = _barred(day, users, row_of)
    open_ = items[c.RECOMMENDABLE].to_numpy()
    n = day.settings.recommend.n
    return Following(
        users=users,
        cold=relevant[c.USER_KEY].n_unique() - len(users),
        lists=lists,
        popular=_best(_scores(_popularity(day), items), open_, barred, n=n),
        counted=_best(_scores(_counts(day), items), open_, barred, n=n),
        truth=_incidence(known, users, row_of),
    )


def _relevant(day: Published) -> pl.DataFrame:
    after = (
        pl.col(c.USER_KEY).is_not_null()
        & (pl.col(c.EVENT_TIME) >= day_end(day.day))
        & pl.col(c.EVENT_TYPE).is_in(list(day.settings.evaluation.relevant_types))
    )
    return day.table("events").filter(after).select(c.USER_KEY, c.ITEM_ID).unique()


def _popularity(day: Published) -> pl.DataFrame:
    found = day.table("popularity", run_id=day.publication, part="full")
    return found.filter(pl.col(c.SEGMENT).is_null()).select(c.ITEM_ID, c.SCORE)


def _counts(day: Published) -> pl.DataFrame:
    before = pl.col(c.EVENT_TIME) < day_end(day.day)
    relevant = pl.col(c.EVENT_TYPE).is_in(list(day.settings.evaluation.relevant_types))
    return day.table("events").filter(before & relevant).group_by(c.ITEM_ID).len(c.SCORE)


def _scores(found: pl.DataFrame, items: pl.DataFrame) -> np.ndarray:
    """A score an item, in the items' order."""
    score = dict(found.iter_rows())
    return np.array([score.get(item, 0.0) for item in items[c.ITEM_ID]], dtype=np.float32)


def _best(scores: np.ndarray, open_: np.ndarray, barred: sparse.csr_matrix, *, n: int) -> Rows:
    """The same order for all, less what each has had: users x n."""
    mine = np.broadcast_to(scores, (barred.shape[0], len(scores)))
    return best_items(mine, n, exclude=barred, allow=open_)


def _barred(day: Published, users: list[str], row_of: dict[str, int]) -> sparse.csr_matrix:
    """What each user had already, where the day's recipe leaves that out of lists."""
    pairs = day.table("interactions", run_id=day.publication, part="full").filter(pl.col(c.SEEN))
    if day.recipe.seen == "allow":
        pairs = pairs.clear()
    mine = pairs.filter(pl.col(c.USER_KEY).is_in(pl.Series(users).implode()))
    return _incidence(mine, users, row_of)


def _incidence(pairs: pl.DataFrame, users: list[str], items: dict[str, int]) -> sparse.csr_matrix:
    row_of = {user: row for row, user in enumerate(users)}
    rows = [row_of[user] for user in pairs[c.USER_KEY]]
    cols = [items[item] for item in pairs[c.ITEM_ID]]
    ones = np.ones(len(rows), dtype=np.int8)
    return sparse.csr_matrix((ones, (rows, cols)), shape=(len(users), len(items)))


def _matrix(lists: list[list[int]]) -> Rows:
    width = max(map(len, lists))
    return np.array([each + [-1] * (width - len(each)) for each in lists], dtype=np.int32)
