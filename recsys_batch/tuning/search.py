"""The search: half-lives first, then each source alone, then the weights of them all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_batch.models.recipes import POPULAR
from recsys_batch.models.sources import (
    LowPassSettings,
    NeighbourSettings,
    PopularSettings,
    RepeatSettings,
    SegmentSettings,
    SourceSettings,
)
from recsys_batch.ranking.blend import BlendSettings, fit_blend
from recsys_batch.ranking.candidates import Candidates, gather, narrowed, pooled
from recsys_batch.ranking.validation import wanted
from recsys_batch.tuning.cuts import Cut
from recsys_batch.tuning.spaces import INTEREST, POPULARITY, Space
from recsys_batch.tuning.trials import HalfLife, Trials

_FEW = 30
_TIES = 0.005  # least weight of popularity
BROUGHT = 100  # candidates of a source that are re-ranked
_JUDGED = 50  # and those by which weights are chosen: NDCG sees the first alone
_TELLING = 0.02  # share of all weights below which a source is not worth fitting
_ENOUGH = 800  # users that judge the settings of a source
_FIRST = (
    LowPassSettings(factors=32, power_iterations=2),
    NeighbourSettings(neighbours=50),
    RepeatSettings(),
)


@dataclass
class Search:
    """A search under way: its cuts and what it chose.

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
    trials
        Where they are made and remembered.
    say
        Told each choice.
    """

    cuts: list[Cut]
    k: int
    until: float
    pinned: Mapping[str, HalfLife | bool]
    trials: Trials
    say: Callable[[str], None]
    interest: HalfLife = None
    popularity: HalfLife = None
    repeats: bool = False
    stopped: bool = False

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
        falls = {}
        for each in self._choices("popularity", POPULARITY, span):
            used = (self.interest, each)
            found_of = self.trials.values(PopularSettings(), used, self.cuts)
            falls[each] = found_of[not self.repeats]
        self.popularity = max(falls, key=lambda each: falls[each])
        self.say(
            f"popularity halves in {_days(self.popularity)}: {falls[self.popularity]:.4f}"
            + (f"; without decay {falls[None]:.4f}" if None in falls else "")
        )

    def choose_source(self, name: str, space: Space) -> SourceSettings:
        """The best settings found of a source, one setting after another.

        Judged by the latest cuts alone: most of a search's time is spent here. A source that knows
        users by their segment is there for newcomers, who judge it if they are enough.
        """
        if isinstance(space.start, SegmentSettings) and self._newcomers >= _FEW:
            return self._choose_for_newcomers(name, space)
        used, way = (self.interest, self.popularity), int(not self.repeats)
        users = np.cumsum([len(cut.rows) for cut in self.cuts])
        latest = self.cuts[: max(2, int(np.searchsorted(users, _ENOUGH)) + 1)]
        best = space.start
        value = self.trials.values(best, used, latest)[way]
        for setting, values in space.axes.items():
            for each in values:
                if each == getattr(best, setting):
                    continue
                if time.perf_counter() > self.until:
                    self.stopped = True
                    break
                tried = best.model_copy(update={setting: each})
                if self.trials.race(tried, best, used, latest, way=way):
                    best, value = tried, self.trials.values(tried, used, latest)[way]
        self._say_chosen(f"{name} alone {value:.4f}", best, space)
        return best

    def _choose_for_newcomers(self, name: str, space: Space) -> SourceSettings:
        """The settings of all that serve newcomers best; of equal ones the first."""
        best, value = space.start, -1.0
        for values in itertools.product(*space.axes.values()):
            if value >= 0 and time.perf_counter() > self.until:
                self.stopped = True
                break
            tried = space.start.model_copy(update=dict(zip(space.axes, values, strict=True)))
            if (reached := self._of_newcomers(tried)) > value:
                best, value = tried, reached
        self._say_chosen(f"{name} alone, for newcomers {value:.4f}", best, space)
        return best

    def _say_chosen(self, told: str, best: SourceSettings, space: Space) -> None:
        chosen = ", ".join(f"{setting} {getattr(best, setting)}" for setting in space.axes)
        self.say(told + (f" with {chosen}" if chosen else ""))

    @property
    def _newcomers(self) -> int:
        """Users without a history in all cuts."""
        return sum(len(cut.newcomers) for cut in self.cuts)

    def _of_newcomers(self, settings: SourceSettings) -> float:
        """NDCG of a source alone over the newcomers of all cuts."""
        total = sum(
            cut.newcomers_ndcg(settings.fit(cut.data(self.interest, self.popularity)), k=self.k)
            for cut in self.cuts
        )
        return total / self._newcomers

    def candidates(self, sources: Mapping[str, SourceSettings]) -> list[Candidates]:
        """What all sources bring for the users of each cut."""
        found = []
        for cut in self.cuts:
            data = cut.data(self.interest, self.popularity)
            fitted = {name: each.fit(data) for name, each in sources.items()}
            exclude = None if self.repeats else cut.seen
            found.append(
                gather(fitted, cut.rows, per_source=BROUGHT, exclude=exclude, allow=cut.allow)
            )
        return found

    def choose_weights(self, brought: Sequence[Candidates]) -> dict[str, float]:
        """Weights of the sources by all cuts together, adding up to one; small ones are dropped."""
        names = brought[0].sources
        found = pooled([narrowed(each, names, _JUDGED) for each in brought], sources=names)
        truth = sparse.csr_matrix(sparse.vstack([cut.truth for cut in self.cuts]))
        settings = BlendSettings(k=self.k, max_trials=150, bags=10, lowest=0.0)
        fitted = fit_blend(found, wanted(found.items, truth), settings)
        edge = _TELLING * sum(fitted.blend.weights)
        told = zip(names, fitted.blend.weights, strict=True)
        telling = {name: weight if weight >= edge else 0.0 for name, weight in told}
        # What the sources leave equal stands in the order of popularity, not of item ids.
        telling[POPULAR] = max(telling[POPULAR], _TIES * sum(telling.values()))
        shares = {name: weight / sum(telling.values()) for name, weight in telling.items()}
        best = max(fitted.singles, key=lambda each: fitted.singles[each])
        self.say(
            f"together {fitted.validation:.4f}, {best} alone {fitted.singles[best]:.4f}: weights "
            + ", ".join(f"{name} {weight:.3f}" for name, weight in shares.items() if weight)
        )
        return {name: round(weight, 4) for name, weight in shares.items()}

    def choose_newcomers(self, sources: Mapping[str, SourceSettings]) -> str:
        """The source that serves users without history best; popularity where there are few."""
        if self._newcomers < _FEW:
            return POPULAR
        found = {
            name: self._of_newcomers(settings)
            for name, settings in sources.items()
            if isinstance(settings, PopularSettings | SegmentSettings)
        }
        best = max(found, key=lambda each: found[each])
        self.say(
            f"newcomers get {best}: {found[best]:.4f} over {self._newcomers} of them; popular "
            f"{found[POPULAR]:.4f}"
        )
        return best

    def _best_of_first(self, half_life: HalfLife) -> tuple[float, float]:
        """The best NDCG of the first sources, repeats allowed and seen excluded."""
        used = (half_life, None)
        tried = [self.trials.values(each, used, self.cuts) for each in _FIRST]
        return max(each[0] for each in tried), max(each[1] for each in tried)

    def _choices(self, name: str, half_lives: tuple[HalfLife, ...], span: int) -> list[HalfLife]:
        """The pinned half-life, or those that a log of `span` days can tell from none."""
        if name in self.pinned:
            return [self.pinned[name]]
        return [each for each in half_lives if each is None or each < span]


def _days(half_life: HalfLife) -> str:
    return "no time" if half_life is None else f"{half_life:g} days"
