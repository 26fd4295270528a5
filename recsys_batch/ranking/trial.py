"""The trial that a re-ranker must win: users are judged by trees that learnt from others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.calibration import Scored
from recsys_batch.ranking.examples import Examples, Lesson
from recsys_batch.ranking.lambdarank import fit_lambdarank
from recsys_batch.ranking.pointwise import fit_pointwise
from recsys_batch.ranking.reranker import Reranker, RerankerSettings
from recsys_batch.ranking.validation import Wanted, best_places, ndcg_each

Floats = npt.NDArray[np.float32]
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


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a trial came to.

    Attributes
    ----------
    trial
        Its figures.
    reranker
        The best that won, fitted on all users; None where none did, and the blend orders.
    scored
        Scores of what orders from now on, each of users that it had not seen.
    """

    trial: Trial
    reranker: Reranker | None
    scored: Scored


def try_rerankers(
    blend: Blend,
    lessons: Sequence[Lesson],
    settings: RerankerSettings,
    *,
    ready: Mapping[str, Reranker] | None = None,
) -> Verdict:
    """Judge re-rankers by the blend that they are to correct.

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
    examples = [lesson.described(blend, settings.depth) for lesson in lessons]
    judged, told = _cross_judged(blend, examples, settings, ready)
    ndcgs = {
        name: np.concatenate(
            [
                ndcg_each(scores, each.targets, k=settings.k)
                for scores, each in zip(parts, judged, strict=True)
            ]
        )
        for name, parts in told.items()
    }
    plain = ndcgs.pop(None)
    figures = {name: _figure(plain, each) for name, each in ndcgs.items() if name is not None}
    trial = Trial(float(plain.mean()), figures, len(plain))
    scored = pooled_scores(told[trial.best], [each.targets for each in judged])
    if trial.best is None:
        return Verdict(trial, None, scored)
    best = ready.get(trial.best) or CONTENDERS[trial.best](blend, examples, settings)
    return Verdict(trial, best, scored)


def _cross_judged(
    blend: Blend,
    examples: Sequence[Examples],
    settings: RerankerSettings,
    ready: Mapping[str, Reranker],
) -> tuple[list[Examples], dict[str | None, list[Floats]]]:
    """The users of each fold, and their scores by each contender; by None: by the blend."""
    rng = np.random.default_rng(settings.seed)
    dealt = [rng.permutation(len(each.start)) % settings.folds for each in examples]
    judged: list[Examples] = []
    told: dict[str | None, list[Floats]] = {name: [] for name in (None, *CONTENDERS, *ready)}
    for fold in range(settings.folds):
        parts = list(zip(examples, dealt, strict=True))
        learnt = [each.of(np.flatnonzero(own != fold)) for each, own in parts]
        pupils = {name: fit(blend, learnt, settings) for name, fit in CONTENDERS.items()}
        for each, own in parts:
            judge = each.of(np.flatnonzero(own == fold))
            judged.append(judge)
            told[None].append(judge.start)
            for name, pupil in {**pupils, **ready}.items():
                told[name].append(judge.start + pupil.added(judge.features, judge.start))
    return judged, told


def blend_scores(blend: Blend, lessons: Sequence[Lesson], *, depth: int) -> Scored:
    """The blend's own scores of each user's best candidates."""
    scores, targets = [], []
    for lesson in lessons:
        blended = blend.scores(lesson.candidates)
        places = best_places(blended, depth)
        scores.append(np.take_along_axis(blended, places, axis=1))
        hits = np.take_along_axis(lesson.targets.hits, places, axis=1)
        targets.append(Wanted(hits, lesson.targets.relevant))
    return pooled_scores(scores, targets)


def pooled_scores(scores: Sequence[Floats], targets: Sequence[Wanted]) -> Scored:
    """Scores of groups of users, users x depth each, as those of one."""
    there = [np.isfinite(each) for each in scores]
    counts = np.concatenate([each.sum(axis=1) for each in there])
    return Scored(
        np.concatenate([part[own] for part, own in zip(scores, there, strict=True)]).astype(
            np.float64
        ),
        np.concatenate([each.hits[own] for each, own in zip(targets, there, strict=True)]),
        np.repeat(np.arange(len(counts)), counts),
    )


def _figure(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Figure:
    apart = after - before
    error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    reach = NormalDist().inv_cdf(0.975) * float(error)
    middle = float(apart.mean())
    return Figure(float(after.mean()), middle - reach, middle + reach)
