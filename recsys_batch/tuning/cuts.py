"""Temporal validation: what was known before a day, and what the days after it wanted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.sources import FittedSource, SourceData
from recsys_batch.ranking.gains import discounted_gains, ideal_gains
from recsys_batch.tuning.log import Bools, Log

_BLOCK_USERS = 256
_MOST_CUTS = 4
_MOST_DAYS = 8


@dataclass(frozen=True, eq=False)
class Cut:
    """One validation.

    Attributes
    ----------
    at
        The first day that is not known.
    rows
        Users known before who wanted something after.
    truth, seen
        CSR, ``len(rows) x items``: what they wanted, and what they had seen before.
    allow
        Items known before.
    newcomers, their_truth
        Users not known before who wanted something after, and what.
    """

    log: Log
    at: int
    rows: npt.NDArray[np.intp]
    truth: sparse.csr_matrix
    seen: sparse.csr_matrix
    allow: Bools
    newcomers: npt.NDArray[np.intp]
    their_truth: sparse.csr_matrix
    _data: dict[tuple[float | None, float | None], SourceData] = field(default_factory=dict)

    def data(self, interest: float | None, popularity: float | None) -> SourceData:
        """What was known, decayed by two half-lives in days."""
        key = (interest, popularity)
        if key not in self._data:
            self._data[key] = self.log.history(
                self.at, half_life_days=interest, popularity_half_life_days=popularity
            )
        return self._data[key]

    def newcomers_ndcg(self, source: FittedSource, *, k: int) -> float:
        """Sum over newcomers of NDCG at k of a source alone."""
        if not len(self.newcomers):
            return 0.0
        scores = np.array(source.scores(self.newcomers), dtype=np.float32)
        scores[:, ~self.allow] = -np.inf
        return _ndcg(scores, self.their_truth, k=k)

    def ndcg(self, source: FittedSource, *, k: int) -> tuple[float, float]:
        """Sum over users of NDCG at k of a source alone: repeats allowed, and seen excluded."""
        allowed, excluded = 0.0, 0.0
        for first in range(0, len(self.rows), _BLOCK_USERS):
            users = slice(first, first + _BLOCK_USERS)
            scores = np.array(source.scores(self.rows[users]), dtype=np.float32)
            scores[:, ~self.allow] = -np.inf
            truth = self.truth[users]
            allowed += _ndcg(scores, truth, k=k)
            seen = self.seen[users].tocoo()
            scores[seen.row, seen.col] = -np.inf
            excluded += _ndcg(scores, truth, k=k)
        return allowed, excluded


def temporal_cuts(log: Log, *, until: int, days: int, users: int, seed: int) -> list[Cut]:
    """The latest cuts whose hold-outs of `days` days together have `users` users.

    Earlier cuts are added until there are so many, up to four (of single days eight), as long as
    each has at least as many days before it as after it, and half of the whole history: what is
    best of a log that has just begun need not be best of the log as it is now.

    Parameters
    ----------
    until
        The first day that may not be looked at.
    users
        Users wanted in all; of a cut that has more, so many are drawn.
    """
    cuts: list[Cut] = []
    first = int(log.days.min(initial=until))
    for number in range(_MOST_DAYS if days == 1 else _MOST_CUTS):
        at = until - days * (number + 1)
        if at - first < (max(days, (until - first) / 2) if cuts else days):
            break
        truth = log.wanted(at, at + days)
        touched = np.unique(log.users[(log.days < at) & (log.weights > 0)])
        known = np.zeros(log.n_users, dtype=bool)
        known[touched[touched >= 0]] = True
        asking = np.diff(truth.indptr) > 0
        rng = np.random.default_rng(seed + number)
        rows = _drawn(np.flatnonzero(asking & known), users, rng)
        new = _drawn(np.flatnonzero(asking & ~known), users, rng)
        if not len(rows):  # nobody came back on those days
            continue
        seen = log.seen_before(at)[rows]
        allow = log.known_items(at)
        cuts.append(Cut(log, at, rows, truth[rows], seen, allow, new, truth[new]))
        if sum(len(cut.rows) for cut in cuts) >= users:
            break
    return cuts


def horizon_days(log: Log, *, until: int, days: int) -> int:
    """Days after a cut to judge by: `days`, or one where most that is wanted then is new by then.

    Lists are made every day, so that one day is what they are for; more of them only give more to
    judge by.
    """
    at = until - days
    wanted = log.relevant & (log.days >= at) & (log.days < until)
    new = log.first_days[log.items[wanted]] >= at
    return 1 if len(new) and new.mean() > 0.5 else days


def _drawn(rows: npt.NDArray[np.intp], most: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _ndcg(scores: npt.NDArray[np.float32], truth: sparse.csr_matrix, *, k: int) -> float:
    """Sum of NDCG at k over users."""
    ends = truth.indptr.astype(np.int64)
    gains = discounted_gains(scores, ends, truth.indices.astype(np.int32), k)
    return float((gains / ideal_gains(np.diff(ends), k=k)).sum())
