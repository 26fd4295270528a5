"""LambdaRank on logged impressions: each click weighed by how rarely its position is looked at.

A click tells that an item was wanted; no click tells little, the less the further down it stood.
So each click is a list of its own, of the item and what stood beside it without a click, and counts
one over the propensity of its position (Joachims, Swaminathan and Schnabel, "Unbiased
Learning-to-Rank with Biased Feedback", WSDM 2017), which is clipped so that no single click rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from recsys_batch.errors import ContractError
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.examples import Flat, described, spans
from recsys_batch.ranking.features import History
from recsys_batch.ranking.impressions import Impressions
from recsys_batch.ranking.lambdarank import lambdarank
from recsys_batch.ranking.position import Examination
from recsys_batch.ranking.reranker import Reranker, RerankerSettings

Floats = npt.NDArray[np.float32]
LEAST = 0.05  # propensity below which a click counts no more


@dataclass(frozen=True, eq=False)
class ClickLists(Flat):
    """Clicked items, each before what was shown beside it and not clicked.

    Attributes
    ----------
    positions
        Position of each list's click, from 1.
    """

    positions: npt.NDArray[np.int32]


def click_lists(
    blend: Blend,
    candidates: Candidates,
    rows: npt.NDArray[np.integer],
    history: History,
    shown: Impressions,
    *,
    depth: int,
) -> ClickLists:
    """Describe what was shown as the candidates that it was to lists of that time.

    Impressions of an item that was not among its user's best `depth` candidates are left out, as
    trees are not asked for such.

    Parameters
    ----------
    candidates
        Of sources fitted on what was known before the first of `shown`.
    rows
        Row of each of their users in `history`, ascending; `shown` names the same rows.
    history
        Of the interactions that the sources were fitted on.
    """
    places, start, features = described(blend, candidates, rows, history, depth=depth)
    there = np.isfinite(start)
    items = np.where(there, np.take_along_axis(candidates.items, places, axis=1), -1)
    known = shown.of(np.isin(shown.users, rows))
    users = np.searchsorted(rows, known.users)
    cells = _cells(items, users, known.items)
    known, cells = known.of(cells >= 0), cells[cells >= 0]
    order = np.lexsort((cells, known.positions, known.requests))
    picked, groups, clicks = _lists(known.of(order))
    cells = cells[order]
    labels = np.zeros(len(picked), dtype=np.bool_)
    labels[np.cumsum(groups) - groups] = True
    spread = spans(start)
    return ClickLists(
        features.reshape(-1, features.shape[2])[cells[picked]],
        labels,
        start.ravel()[cells[picked]],
        groups,
        max(float(spread[np.isfinite(spread)].mean()), 1e-12) if len(groups) else 1.0,
        known.of(order).positions[clicks],
    )


def fit_clicks(
    blend: Blend, lists: ClickLists, seen: Examination, settings: RerankerSettings
) -> Reranker:
    """Learn the correction of the blend from clicks.

    Parameters
    ----------
    seen
        How likely each position is looked at; ones for no correction of position bias.

    Raises
    ------
    ContractError
        No list holds a click beside something that was not clicked.
    """
    if not len(lists.groups):
        raise ContractError(
            "no request holds a clicked and an unclicked candidate",
            where="training of the re-ranker on impressions",
            fix="log impressions of the lists that are published, or rank by the blend",
        )
    counts = 1.0 / np.maximum(seen.at(lists.positions), LEAST)
    weights = np.repeat(counts / counts.mean(), lists.groups).astype(np.float32)
    return lambdarank(blend, lists, settings, weights=weights)


def _cells(
    items: npt.NDArray[np.int32], users: npt.NDArray[np.intp], wanted: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Place of each (user, item) in the flat `items`, users x depth; -1 where it is not there."""
    if not items.size or not len(wanted):
        return np.full(len(wanted), -1, dtype=np.int64)
    span = int(max(items.max(), wanted.max())) + 1
    known = np.where(items >= 0, np.arange(len(items))[:, None] * span + items, -1).ravel()
    order = np.argsort(known, kind="stable")
    asked = users.astype(np.int64) * span + wanted
    found = order[np.minimum(np.searchsorted(known[order], asked), len(order) - 1)]
    return np.where(known[found] == asked, found, -1).astype(np.int64)


def _lists(
    shown: Impressions,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of each click's list, click first; their numbers; and the row of each click.

    Parameters
    ----------
    shown
        Sorted by request.
    """
    edges = np.flatnonzero(np.diff(shown.requests, prepend=-1, append=-1))
    picked: list[npt.NDArray[np.int64]] = []
    clicks: list[int] = []
    for first, last in pairwise(edges):
        own = np.arange(first, last)
        clicked = shown.clicked[first:last]
        if clicked.all():
            continue
        for click in own[clicked]:
            picked.append(np.concatenate([[click], own[~clicked]]))
            clicks.append(int(click))
    groups = np.array([len(each) for each in picked], dtype=np.int64)
    rows = np.concatenate(picked) if picked else np.zeros(0, dtype=np.int64)
    return rows, groups, np.array(clicks, dtype=np.int64)
