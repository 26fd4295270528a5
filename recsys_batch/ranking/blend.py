"""A blend of sources: a weighted sum of their standard scores, weights chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from recsys_batch.errors import ContractError
from recsys_batch.ranking.candidates import Candidates
from recsys_batch.ranking.validation import Wanted, ndcg_each

Floats = npt.NDArray[np.float32]


class BlendSettings(BaseModel):
    """How the weights are searched for."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    k: int = Field(20, ge=1, description="Depth of the NDCG that is raised.")
    steps: tuple[float, ...] = Field(
        (0.8, 0.4, 0.2, 0.1, 0.05), description="Changes of a weight that are tried, in turn."
    )
    max_trials: int = Field(
        400, ge=1, description="Evaluations of the objective: the budget, which repeats exactly."
    )
    bags: int = Field(
        1,
        ge=1,
        description="Searches, each over another random half of the users, whose weights are "
        "averaged (Breiman, Bagging Predictors, 1996); 1: one over all. More for few users.",
    )
    lowest: float | None = Field(
        None, description="No weight falls below it; null: a source may count against an item."
    )
    seed: int = Field(0, ge=0, description="Seed of the halves.")


@dataclass(frozen=True)
class Blend:
    """Weights of the sources.

    Attributes
    ----------
    sources
        Names, in the order of the candidates' first axis.
    weights
        One a source; a source of weight 0 brings candidates but does not order them.
    """

    sources: tuple[str, ...]
    weights: tuple[float, ...]

    def parts(self, candidates: Candidates) -> Floats:
        """What each source adds to each score: sources x users x width."""
        if candidates.sources != self.sources:
            raise ContractError(
                f"candidates of {', '.join(candidates.sources)}",
                where=f"blend of {', '.join(self.sources)}",
                fix="gather candidates from the sources that the blend was fitted on",
            )
        weights = np.array(self.weights, dtype=np.float32)
        return np.asarray(candidates.scores * weights[:, None, None], dtype=np.float32)

    def scores(self, candidates: Candidates) -> Floats:
        """Sum of the parts; -inf where there is no candidate."""
        summed = self.parts(candidates).sum(axis=0)
        return np.asarray(np.where(candidates.items < 0, -np.inf, summed), dtype=np.float32)


@dataclass(frozen=True)
class FittedBlend:
    """A blend and what validation said of it.

    Attributes
    ----------
    blend
        The weights that were best.
    validation
        Its NDCG.
    singles
        NDCG of each source alone, by name, over the same candidates; none is above `validation`.
    trials
        Evaluations made.
    """

    blend: Blend
    validation: float
    singles: dict[str, float]
    trials: int


def fit_blend(candidates: Candidates, targets: Wanted, settings: BlendSettings) -> FittedBlend:
    """Climb from the best single source, one weight at a time, for as long as NDCG rises.

    Coordinate ascent with falling steps: the best single source is a point of the search, so that
    the blend is never below it on validation.

    Raises
    ------
    ContractError
        No user of the validation has a relevant item.
    """
    if not targets.relevant.any():
        raise ContractError(
            "no user has a relevant item",
            where="validation of the blend",
            fix="cut a larger share of the interactions",
        )
    search = _Search(candidates, targets, settings)
    singles = search.singles()
    single = np.eye(len(singles), dtype=np.float32)[int(np.argmax(singles))]
    best = search.climb(single, max(singles)) if settings.bags == 1 else search.bagged()
    # The climb adds up in another order than the blend does: what counts is the blend's own sum.
    choices = [
        Blend(candidates.sources, tuple(float(weight) for weight in weights))
        for weights in (best, single)
    ]
    values = [
        float(ndcg_each(each.scores(candidates), targets, k=settings.k).mean()) for each in choices
    ]
    chosen = int(np.argmax(values))
    return FittedBlend(
        choices[chosen],
        values[chosen],
        dict(zip(candidates.sources, singles, strict=True)),
        search.trials,
    )


class _Search:
    def __init__(self, candidates: Candidates, targets: Wanted, settings: BlendSettings) -> None:
        self._candidates = candidates
        self._scores, self._targets, self._settings = candidates.scores, targets, settings
        self._absent = candidates.items < 0
        self.trials = 0

    def value(self, weights: Floats) -> float:
        return self._value(np.tensordot(weights, self._scores, axes=1))

    def singles(self) -> list[float]:
        """NDCG of each source alone."""
        return [self.value(unit) for unit in np.eye(len(self._scores), dtype=np.float32)]

    def bagged(self) -> Floats:
        """The mean of the weights, scaled to a sum of one, that random halves of the users give."""
        who = np.flatnonzero(self._targets.relevant)
        rng = np.random.default_rng(self._settings.seed)
        total = np.zeros(len(self._scores), dtype=np.float64)
        for _ in range(self._settings.bags):
            half = np.sort(rng.permutation(who)[: -(-len(who) // 2)])
            part = _Search(self._candidates.of(half), self._targets.of(half), self._settings)
            values = part.singles()
            unit = np.eye(len(values), dtype=np.float32)[int(np.argmax(values))]
            weights = part.climb(unit, max(values)).astype(np.float64)
            total += weights / np.abs(weights).sum()
            self.trials += part.trials
        return (total / self._settings.bags).astype(np.float32)

    def climb(self, weights: Floats, value: float) -> Floats:
        """Raise `value`, that of `weights`, as far as steps and budget allow."""
        total, lowest = np.tensordot(weights, self._scores, axes=1), self._settings.lowest
        for step in self._settings.steps:
            risen = True
            while risen:
                risen = False
                for source in range(len(weights)):
                    for change in (step, -step):
                        if lowest is not None and weights[source] + change < lowest - 1e-6:
                            continue
                        if self.trials >= self._settings.max_trials:
                            return weights
                        moved = total + np.float32(change) * self._scores[source]
                        found = self._value(moved)
                        if found > value:
                            value, total, risen = found, moved, True
                            weights = weights.copy()
                            weights[source] += np.float32(change)
                            break
        return weights

    def _value(self, total: Floats) -> float:
        self.trials += 1
        scores = np.where(self._absent, np.float32(-np.inf), total)
        return float(ndcg_each(scores, self._targets, k=self._settings.k).mean())
