"""The trial that a re-ranker must win: users are judged by trees that learnt from others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.examples import Examples, Lesson
from recsys_batch.ranking.pointwise import fit_pointwise
from recsys_batch.ranking.reranker import Reranker, RerankerSettings, fit_lambdarank
from recsys_batch.ranking.validation import ndcg_each

Fit = Callable[[Blend, Sequence[Examples], RerankerSettings], Reranker]
CONTENDERS: Mapping[str, Fit] = {"LambdaRank": fit_lambdarank, "gradient boosting": fit_pointwise}


@dataclass(frozen=True)
class Figure:
    """What a contender reached on users that it has not seen.

    Attributes
    ----------
    ndcg
        Mean NDCG.
    low, high
        95 % interval of the mean paired difference from the blend (normal approximation).
    """

    ndcg: float
    low: float
    high: float

    @property
    def won(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class Trial:
    """The blend and its contenders on the same users.

    Attributes
    ----------
    blend
        Its mean NDCG.
    contenders
        By name.
    users
        Users judged by.
    """

    blend: float
    contenders: Mapping[str, Figure]
    users: int

    @property
    def best(self) -> str | None:
        """Of those that were shown to be better than the blend, the best; None: none was."""
        won = {name: each.ndcg for name, each in self.contenders.items() if each.won}
        return max(won, key=lambda name: won[name]) if won else None


def try_rerankers(
    blend: Blend,
    lessons: Sequence[Lesson],
    settings: RerankerSettings,
    *,
    ready: Mapping[str, Reranker] | None = None,
) -> tuple[Trial, Reranker | None]:
    """Judge re-rankers; the best that wins is fitted on all users, where none does it is None.

    The users are dealt into folds: those of each are judged by trees that learnt from the others.

    Parameters
    ----------
    ready
        Further contenders by name, that learnt from something else than the lessons.

    Raises
    ------
    ContractError
        No user's best candidates hold a wanted and an unwanted one.
    """
    ready = ready or {}
    rng = np.random.default_rng(settings.seed)
    examples = [lesson.described(blend, settings.depth) for lesson in lessons]
    dealt = [rng.permutation(len(each.start)) % settings.folds for each in examples]
    before: list[npt.NDArray[np.float64]] = []
    after: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in (*CONTENDERS, *ready)}
    for fold in range(settings.folds):
        parts = list(zip(examples, dealt, strict=True))
        learnt = [each.of(np.flatnonzero(own != fold)) for each, own in parts]
        pupils = {name: fit(blend, learnt, settings) for name, fit in CONTENDERS.items()}
        for each, own in parts:
            judge = each.of(np.flatnonzero(own == fold))
            before.append(ndcg_each(judge.start, judge.targets, k=settings.k))
            for name, pupil in {**pupils, **ready}.items():
                told = judge.start + pupil.added(judge.features, judge.start)
                after[name].append(ndcg_each(told, judge.targets, k=settings.k))
    plain = np.concatenate(before)
    figures = {name: _figure(plain, np.concatenate(each)) for name, each in after.items()}
    trial = Trial(float(plain.mean()), figures, len(plain))
    if trial.best is None:
        return trial, None
    return trial, ready.get(trial.best) or CONTENDERS[trial.best](blend, examples, settings)


def _figure(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Figure:
    apart = after - before
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    reach = NormalDist().inv_cdf(0.975) * float(error)
    middle = float(apart.mean())
    return Figure(float(after.mean()), middle - reach, middle + reach)
