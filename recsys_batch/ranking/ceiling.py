"""What candidates allow: no order of them can have a greater recall than they have themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.validation import Wanted, best_places

MERGED = "merged"


def recall_ceilings(
    candidates: Candidates, order: npt.NDArray[np.float32], targets: Wanted, *, k: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Share of each user's relevant items among k candidates, by who brought them.

    Parameters
    ----------
    candidates
        Of sources that brought at least k each.
    order
        Users x width, -inf where there is no candidate: the k greatest are the merged set's.
    targets
        Which candidates are relevant, and how many items are.

    Returns
    -------
    dict
        Recall of each user with a relevant item, of each source's own k best, and of ``MERGED``.
    """
    who = np.flatnonzero(targets.relevant)
    hits, relevant = targets.hits[who], targets.relevant[who]
    found = {
        source: (hits & (ranks[who] > 0) & (ranks[who] <= k)).sum(axis=1) / relevant
        for source, ranks in zip(candidates.sources, candidates.ranks, strict=True)
    }
    best = best_places(order[who], k)
    return {**found, MERGED: np.take_along_axis(hits, best, axis=1).sum(axis=1) / relevant}
