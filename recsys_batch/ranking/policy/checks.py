"""What a block of candidates must be like."""

from __future__ import annotations

import numpy as np

from recsys_batch.errors import ContractError
from recsys_batch.ranking.policy.facts import Floats, Rows, UserFacts


def check_block(items: Rows, scores: Floats, users: UserFacts, fill: Rows, size: int) -> None:
    """Refuse what the compiled loops, which look at no bounds, must not be given."""
    found, where = "", "candidates"
    if items.shape != scores.shape or len(items) != len(users):
        found = f"items {items.shape} and scores {scores.shape} for {len(users)} users"
    elif items.max(initial=-1) >= size or items.min(initial=-1) < -1:
        found = f"an item row beyond the {size} items"
    elif not _ascend(items):
        found = "item rows that do not ascend"
    elif not np.isfinite(scores[items >= 0]).all():
        found = "a score that is not finite"
    elif fill.max(initial=0) >= size or fill.min(initial=0) < 0:
        found, where = f"an item row beyond the {size} items", "fill"
    if found:
        raise ContractError(
            found,
            where=where,
            fix="give users x width of ascending item rows, then -1, and a score beside each row",
        )


def _ascend(items: Rows) -> bool:
    left, right = items[:, :-1], items[:, 1:]
    return bool((((right > left) & (left >= 0)) | (right < 0)).all())
