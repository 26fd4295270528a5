"""The trial that a re-ranker must win: half of the users to learn from, the others to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.features import History
from recsys_batch.ranking.reranker import Reranker, RerankerSettings, fit_reranker
from recsys_batch.ranking.validation import Wanted, ndcg_each


@dataclass(frozen=True)
class Trial:
    """NDCG of both on users that the trees have not seen.

    Attributes
    ----------
    blend, reranker
        Mean NDCG.
    low, high
        95 % interval of the mean paired difference (normal approximation).
    users
        Users judged by.
    """

    blend: float
    reranker: float
    low: float
    high: float
    users: int

    @property
    def won(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


def try_reranker(
    blend: Blend,
    candidates: Candidates,
    targets: Wanted,
    rows: npt.NDArray[np.integer],
    history: History,
    settings: RerankerSettings,
) -> tuple[Trial, Reranker | None]:
    """Judge a re-ranker; where it wins, fit it on all users, else give None.

    Parameters
    ----------
    candidates, targets, rows, history
        As in `recsys_batch.ranking.reranker.fit_reranker`.
    """
    drawn = np.random.default_rng(settings.seed).permutation(len(rows))
    learn, judge = np.sort(drawn[: len(rows) // 2]), np.sort(drawn[len(rows) // 2 :])
    pupil = fit_reranker(
        blend, candidates.of(learn), targets.of(learn), rows[learn], history, settings
    )
    others, theirs = candidates.of(judge), targets.of(judge)
    before = ndcg_each(blend.scores(others), theirs, k=settings.k)
    after = ndcg_each(pupil.scores(others, rows[judge], history), theirs, k=settings.k)
    trial = _compare(before, after)
    if not trial.won:
        return trial, None
    return trial, fit_reranker(blend, candidates, targets, rows, history, settings)


def _compare(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Trial:
    apart = after - before
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    reach = NormalDist().inv_cdf(0.975) * float(error)
    middle = float(apart.mean())
    return Trial(
        float(before.mean()), float(after.mean()), middle - reach, middle + reach, len(apart)
    )
