"""The trial that a re-ranker must win: users are judged by trees that learnt from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.reranker import Lesson, Reranker, RerankerSettings, fit_reranker
from recsys_batch.ranking.validation import ndcg_each


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
    blend: Blend, lessons: Sequence[Lesson], settings: RerankerSettings
) -> tuple[Trial, Reranker | None]:
    """Judge a re-ranker; where it wins, fit it on all users, else give None.

    The users are dealt into folds: those of each are judged by trees that learnt from the others.
    """
    rng = np.random.default_rng(settings.seed)
    dealt = [rng.permutation(len(lesson.rows)) % settings.folds for lesson in lessons]
    before, after = [], []
    for fold in range(settings.folds):
        parts = list(zip(lessons, dealt, strict=True))
        learnt = [lesson.of(np.flatnonzero(own != fold)) for lesson, own in parts]
        pupil = fit_reranker(blend, learnt, settings)
        for lesson, own in parts:
            judge = lesson.of(np.flatnonzero(own == fold))
            told = pupil.scores(judge.candidates, judge.rows, judge.history)
            scores = blend.scores(judge.candidates)
            before.append(ndcg_each(scores, judge.targets, k=settings.k))
            after.append(ndcg_each(told, judge.targets, k=settings.k))
    trial = _compare(np.concatenate(before), np.concatenate(after))
    return trial, fit_reranker(blend, lessons, settings) if trial.won else None


def _compare(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Trial:
    apart = after - before
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    reach = NormalDist().inv_cdf(0.975) * float(error)
    middle = float(apart.mean())
    return Trial(
        float(before.mean()), float(after.mean()), middle - reach, middle + reach, len(apart)
    )
