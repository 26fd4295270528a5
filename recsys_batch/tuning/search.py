"""The search: half-lives first, then each source alone, then the weights of them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.recipes import POPULAR
from recsys_batch.models.sources import (
    LowPassSettings,
    NeighbourSettings,
    PopularSettings,
    RegionalSettings,
    RepeatSettings,
    SourceSettings,
)
from recsys_batch.ranking.blend import BlendSettings, FittedBlend, fit_blend
from recsys_batch.ranking.candidates import gather, pooled
from recsys_batch.ranking.validation import wanted
from recsys_batch.tuning.cuts import Cut
from recsys_batch.tuning.spaces import INTEREST, POPULARITY, Space

HalfLife = float | None
_FEW = 30
_ENOUGH = 800  # users that judge the settings of a source
_FIRST = {
    "low pass": LowPassSettings(factors=32, power_iterations=2),
    "neighbours": NeighbourSettings(neighbours=50),
    "repeat": RepeatSettings(),
}


@dataclass
class Search:
    """A search under way: its cuts, what it chose, and the trials made.

    Attributes
    ----------
    cuts
        Validations, whose users are pooled.
    k
        Depth of NDCG.
    until
        `time.perf_counter` after which no further setting is tried; what was best by then holds.
    pinned
        interest, popularity (half-lives) and repeats, as far as they are not to be chosen.
    say
        Told each choice.
    """

    cuts: list[Cut]
    k: int
    until: float
    pinned: Mapping[str, HalfLife | bool]
    say: Callable[[str], None]
    interest: HalfLife = None
    popularity: HalfLife = None
    repeats: bool = False
    trials: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False

    def values(
        self,
        name: str,
        settings: SourceSettings,
        half_lives: tuple[HalfLife, HalfLife],
        cuts: list[Cut],
    ) -> tuple[float, float]:
        """NDCG of a source alone, repeats allowed and seen excluded."""
        sums = np.zeros(2)
        try:
            for cut in cuts:
                sums += cut.ndcg(settings.fit(cut.data(*half_lives)), k=self.k)
        except InputDataError:  # this log does not have what the source needs
            return 0.0, 0.0
        allowed, excluded = sums / sum(len(cut.rows) for cut in cuts)
        self.trials.append(
            {"source": name, "settings": settings.model_dump(mode="json"), "half_lives": half_lives}
            | {"repeats allowed": allowed, "seen excluded": excluded}
        )
        return float(allowed), float(excluded)

    def value(self, name: str, settings: SourceSettings) -> float:
        """NDCG of a source alone, with the half-lives and the way of repeats that were chosen.

        Judged by the latest cuts alone: most of a search's time is spent here.
        """
        used = (self.interest, self.popularity)
        users = np.cumsum([len(cut.rows) for cut in self.cuts])
        latest = max(2, int(np.searchsorted(users, _ENOUGH)) + 1)
        allowed, excluded = self.values(name, settings, used, self.cuts[:latest])
        return allowed if self.repeats else excluded

    def choose_half_lives(self) -> None:
        """Choose how fast interest and popularity fade, and whether repeats are listed."""
        span = max(cut.at - int(cut.log.days.min()) for cut in self.cuts)
        found = {
            each: self._best_of_first(each) for each in self._choices("interest", INTEREST, span)
        }
        pinned = self.pinned.get("repeats")
        ways = (True, False) if pinned is None else (bool(pinned),)
        value, self.interest, self.repeats = max(
            (
                (values[not way], half_life, way)
                for half_life, values in found.items()
                for way in ways
            ),
            key=lambda each: each[0],
        )
        other = found[self.interest][self.repeats]
        self.say(
            f"interest halves in {_days(self.interest)}; repeats are "
            f"{'listed' if self.repeats else 'left out'}: NDCG@{self.k} {value:.4f}"
            + (f" against {other:.4f}" if pinned is None else "")
        )
        falls = {
            each: self.values(POPULAR, PopularSettings(), (self.interest, each), self.cuts)[
                not self.repeats
            ]
            for each in self._choices("popularity", POPULARITY, span)
        }
        self.popularity = max(falls, key=lambda each: falls[each])
        self.say(
            f"popularity halves in {_days(self.popularity)}: {falls[self.popularity]:.4f}; "
            f"without decay {falls[None]:.4f}"
            if None in falls
            else f"popularity halves in {_days(self.popularity)}: {falls[self.popularity]:.4f}"
        )

    def choose_source(self, name: str, space: Space) -> SourceSettings:
        """The best settings found of a source, one setting after another."""
        best, value = space.start, self.value(name, space.start)
        for setting, values in space.axes.items():
            for each in values:
                if each == getattr(best, setting):
                    continue
                if time.perf_counter() > self.until:
                    self.stopped = True
                    break
                tried = best.model_copy(update={setting: each})
                found = self.value(name, tried)
                if found > value:
                    best, value = tried, found
        chosen = ", ".join(f"{setting} {getattr(best, setting)}" for setting in space.axes)
        self.say(f"{name} alone {value:.4f}" + (f" with {chosen}" if chosen else ""))
        return best

    def choose_weights(
        self, sources: Mapping[str, SourceSettings], *, per_source: int, settings: BlendSettings
    ) -> FittedBlend:
        """Weights of the sources by all cuts together."""
        parts, truths = [], []
        for cut in self.cuts:
            data = cut.data(self.interest, self.popularity)
            fitted = {name: each.fit(data) for name, each in sources.items()}
            exclude = None if self.repeats else cut.seen
            parts.append(
                gather(fitted, cut.rows, per_source=per_source, exclude=exclude, allow=cut.allow)
            )
            truths.append(cut.truth)
        found = pooled(parts, sources=tuple(sources))
        truth = sparse.csr_matrix(sparse.vstack(truths))
        blend = fit_blend(found, wanted(found.items, truth), settings)
        best = max(blend.singles, key=lambda each: blend.singles[each])
        told = zip(blend.blend.sources, blend.blend.weights, strict=True)
        self.say(
            f"together {blend.validation:.4f}, {best} alone {blend.singles[best]:.4f}: weights "
            + ", ".join(f"{name} {weight:.4g}" for name, weight in told if weight)
        )
        return blend

    def choose_newcomers(self, sources: Mapping[str, SourceSettings]) -> str:
        """The source that serves users without history best; popularity where there are few."""
        people = sum(len(cut.newcomers) for cut in self.cuts)
        if people < _FEW:
            return POPULAR
        found = {}
        for name, settings in sources.items():
            if isinstance(settings, PopularSettings | RegionalSettings):
                total = sum(
                    cut.newcomers_ndcg(
                        settings.fit(cut.data(self.interest, self.popularity)), k=self.k
                    )
                    for cut in self.cuts
                )
                found[name] = total / people
        best = max(found, key=lambda each: found[each])
        self.say(
            f"newcomers get {best}: {found[best]:.4f} over {people} of them; popular "
            f"{found[POPULAR]:.4f}"
        )
        return best

    def _best_of_first(self, half_life: HalfLife) -> tuple[float, float]:
        """The best NDCG of the first sources, repeats allowed and seen excluded."""
        used = (half_life, None)
        tried = [self.values(name, each, used, self.cuts) for name, each in _FIRST.items()]
        return max(each[0] for each in tried), max(each[1] for each in tried)

    def _choices(self, name: str, half_lives: tuple[HalfLife, ...], span: int) -> list[HalfLife]:
        """The pinned half-life, or those that a log of `span` days can tell from none."""
        if name in self.pinned:
            return [self.pinned[name]]
        return [each for each in half_lives if each is None or each < span]


def _days(half_life: HalfLife) -> str:
    return "no time" if half_life is None else f"{half_life:g} days"
