"""Candidates of several sources, merged: who brought each, where, and with which scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.sources import FittedSource
from recsys_batch.ranking.standard import Floats, Ints, Scorer, scorer

_BLOCK_USERS = 256


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of some users, users x width.

    Attributes
    ----------
    sources
        Names, in the order of the first axis below.
    items
        int32 item rows, ascending, distinct; -1 where a user has fewer than the width.
    scores
        float32, sources x users x width: standard scores, a source's score less its mean over all
        items for that user, in units of its standard deviation. Zero where there is no candidate.
    ranks
        int32, sources x users x width: the place in the source's own list, from 1; 0 where
        the source did not bring the candidate. This is the candidate's provenance.
    """

    sources: tuple[str, ...]
    items: Ints
    scores: Floats
    ranks: Ints

    def brought_by(self) -> npt.NDArray[np.bool_]:
        """Which sources brought each candidate: sources x users x width."""
        return self.ranks > 0

    def of(self, users: slice | npt.NDArray[np.integer]) -> Candidates:
        """The candidates of some of the users."""
        return Candidates(
            self.sources, self.items[users], self.scores[:, users], self.ranks[:, users]
        )


def narrowed(found: Candidates, sources: Sequence[str], depth: int) -> Candidates:
    """What some of the sources bring, each its best `depth`."""
    places = [found.sources.index(name) for name in sources]
    ranks = np.where(found.ranks[places] <= depth, found.ranks[places], 0)
    brought = (ranks > 0).any(axis=0)
    width = int(brought.sum(axis=1).max(initial=0))
    order = np.argsort(~brought, axis=1, kind="stable")[:, :width]
    kept = np.take_along_axis(brought, order, axis=1)
    items = np.where(kept, np.take_along_axis(found.items, order, axis=1), -1)
    scores = np.take_along_axis(found.scores[places], order[None], axis=2)
    return Candidates(
        tuple(sources),
        items.astype(np.int32),
        np.where(kept, scores, np.float32(0.0)),
        np.where(kept, np.take_along_axis(ranks, order[None], axis=2), np.int32(0)),
    )


class Gatherer:
    """Takes each source's best items for some users, and scores their union by every source.

    Parameters
    ----------
    fitted
        Sources by name.
    per_source
        Items that a source may bring for a user.
    threads
        Threads of the top-N kernel.
    """

    def __init__(
        self, fitted: Mapping[str, FittedSource], *, per_source: int, threads: int = 1
    ) -> None:
        self.names = tuple(fitted)
        self._scorers = [scorer(source, per_source, threads=threads) for source in fitted.values()]

    def candidates(
        self,
        rows: npt.NDArray[np.integer],
        *,
        exclude: sparse.csr_matrix | None = None,
        allow: npt.NDArray[np.bool_] | None = None,
        given: Ints | None = None,
    ) -> Candidates:
        """Candidates of some users.

        Parameters
        ----------
        rows
            User rows.
        exclude
            ``len(rows) x items``; an entry keeps the item out.
        allow
            Items that may be candidates at all; None: all.
        given
            The candidates themselves, ``len(rows) x width``, ascending in each row, then -1; None
            takes the union of what the sources bring.
        """
        parts = []
        for first in range(0, len(rows), _BLOCK_USERS):
            users = slice(first, first + _BLOCK_USERS)
            out = None if exclude is None else exclude[users]
            own = None if given is None else given[users]
            block = _gather_block(self._scorers, rows[users], out, allow, own)
            parts.append(Candidates(self.names, *block))
        return pooled(parts, sources=self.names)

    def best(
        self,
        rows: npt.NDArray[np.integer],
        *,
        exclude: sparse.csr_matrix | None = None,
        allow: npt.NDArray[np.bool_] | None = None,
    ) -> dict[str, Ints]:
        """Each source's own list, ``len(rows) x per_source``: item rows, -1 where it ends."""
        ranked = (each.rank(rows, exclude, allow)[0] for each in self._scorers)
        return dict(zip(self.names, ranked, strict=True))


def gather(
    fitted: Mapping[str, FittedSource],
    rows: npt.NDArray[np.integer],
    *,
    per_source: int,
    exclude: sparse.csr_matrix | None = None,
    allow: npt.NDArray[np.bool_] | None = None,
    given: Ints | None = None,
    threads: int = 1,
) -> Candidates:
    """Candidates of some users, as `Gatherer` takes them."""
    gatherer = Gatherer(fitted, per_source=per_source, threads=threads)
    return gatherer.candidates(rows, exclude=exclude, allow=allow, given=given)


def pooled(parts: Sequence[Candidates], *, sources: tuple[str, ...]) -> Candidates:
    """Candidates of several groups of users as those of one, in order."""
    width = max((part.items.shape[1] for part in parts), default=0)
    users = sum(len(part.items) for part in parts)
    items = np.full((users, width), -1, dtype=np.int32)
    scores = np.zeros((len(sources), users, width), dtype=np.float32)
    ranks = np.zeros(scores.shape, dtype=np.int32)
    first = 0
    for part in parts:
        rows, filled = slice(first, first + len(part.items)), slice(part.items.shape[1])
        items[rows, filled] = part.items
        scores[:, rows, filled], ranks[:, rows, filled] = part.scores, part.ranks
        first = rows.stop
    return Candidates(sources, items, scores, ranks)


def _gather_block(
    scorers: list[Scorer],
    rows: npt.NDArray[np.integer],
    exclude: sparse.csr_matrix | None,
    allow: npt.NDArray[np.bool_] | None,
    given: Ints | None,
) -> tuple[Ints, Floats, Ints]:
    ranked = [each.rank(rows, exclude, allow) for each in scorers]
    items = _union([best for best, _ in ranked]) if given is None else given
    scores = np.stack([standard(items) for _, standard in ranked])
    scores[:, items < 0] = 0.0
    return items, scores, np.stack([_ranks(best, items) for best, _ in ranked])


def _union(lists: list[Ints]) -> Ints:
    """Distinct items of all lists of each user, ascending, then -1."""
    last = np.iinfo(np.int32).max
    joined = np.sort(np.where(np.hstack(lists) < 0, last, np.hstack(lists)), axis=1)
    joined[:, 1:][joined[:, 1:] == joined[:, :-1]] = last
    joined.sort(axis=1)
    width = int((joined < last).sum(axis=1).max(initial=0))
    return np.where(joined[:, :width] == last, -1, joined[:, :width]).astype(np.int32)


def _ranks(best: Ints, items: Ints) -> Ints:
    """Place of each candidate in a source's list, from 1; 0 where it is not there."""
    ranks = np.zeros(items.shape, dtype=np.int32)
    for user in range(len(items)):
        length = int(np.count_nonzero(best[user] >= 0))
        own = items[user, : int(np.count_nonzero(items[user] >= 0))]
        if len(own):
            places = np.minimum(np.searchsorted(own, best[user, :length]), len(own) - 1)
            found = np.flatnonzero(own[places] == best[user, :length])
            ranks[user, places[found]] = found + 1
    return ranks
