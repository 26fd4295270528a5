"""Why an item is in a list, in words that its reader understands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blocks import PERSONAL, REGIONAL, RankedBlock
from recsys_batch.ranking.catalog import Catalog, Floats

_VERBS = {
    "purchase": "bought",
    "rating": "rated",
    "add_to_cart": "put into your cart",
    "click": "clicked on",
    "view": "looked at",
}


def unit_rows(factors: Floats) -> Floats:
    """Rows scaled to length one; zero rows stay zero."""
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    directions: Floats = np.divide(factors, norms, out=np.zeros_like(factors), where=norms > 0)
    return directions


def list_reasons(
    catalog: Catalog,
    block: RankedBlock,
    user: int,
    *,
    directions: Floats,
    history: npt.NDArray[np.int32],
    types: list[str],
    region: str | None,
) -> list[str]:
    """A reason for each item of a user's list.

    A personal item names the item of the user's history that lies closest to it in the latent
    space (by cosine; ties go to the smaller row), which is a reading of the model and no proof.
    An item that the user acted on before says so.

    Parameters
    ----------
    directions
        `unit_rows` of the catalog's factors.
    history
        Item rows that the user acted on and the model knows, ascending.
    types
        The weightiest event type of each.
    """
    count = int(np.count_nonzero(block.rows[user] >= 0))
    rows, sources = block.rows[user, :count], block.sources[user, :count]
    closest = np.zeros(count, dtype=np.intp)
    if len(history):
        closest = np.argmax(directions[rows] @ directions[history].T, axis=1)
        again = np.searchsorted(history, rows).clip(max=len(history) - 1)
        closest = np.where(history[again] == rows, again, closest)
    reasons = []
    for place in range(count):
        if sources[place] == PERSONAL and len(history):
            cause = closest[place]
            verb = _VERBS.get(types[cause], "chose")
            before = history[cause] == rows[place]
            what = "it before" if before else catalog.titles[history[cause]]
            reasons.append(f"because you {verb} {what}")
        elif sources[place] == PERSONAL:
            reasons.append("close to your taste")
        elif sources[place] == REGIONAL:
            reasons.append(f"popular in {region}")
        else:
            reasons.append("popular with everyone")
    return reasons
