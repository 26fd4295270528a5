"""Trials of sources alone: each is made once, and remembered by a search that is begun again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources import SourceSettings
from recsys_batch.ranking.reranker import RerankerSettings
from recsys_batch.ranking.trial import Trial
from recsys_batch.tuning.cuts import Cut

HalfLife: TypeAlias = float | None
HalfLives: TypeAlias = tuple[HalfLife, HalfLife]

_HOPELESS = 0.95  # of what is to be beaten: a trial that is below it after some cuts is given up


class Trials:
    """Trials of one search.

    Parameters
    ----------
    k
        Depth of NDCG.
    journal
        File of JSON lines: what stands there is not tried again, and what is tried is added. None:
        a search that was stopped begins anew.
    """

    def __init__(self, *, k: int, journal: Path | None) -> None:
        self._k, self._journal = k, journal
        self._sums: dict[str, tuple[float, float]] = {}
        self._made: dict[str, dict[str, Any]] = {}
        if journal is not None and journal.is_file():
            for line in journal.read_text(encoding="utf-8").splitlines():
                try:
                    name, allowed, excluded = json.loads(line)
                except ValueError:  # the last line of a search that was killed
                    continue
                self._sums[name] = (allowed, excluded)

    @property
    def made(self) -> list[dict[str, Any]]:
        """Each model tried: settings, half-lives, users judged by, and NDCG in both ways.

        Of a re-ranker its NDCG, that of the blend, and the interval of the difference.
        """
        return list(self._made.values())

    def values(
        self, settings: SourceSettings, half_lives: HalfLives, cuts: Sequence[Cut]
    ) -> tuple[float, float]:
        """NDCG of a source alone over all users of the cuts: repeats allowed, seen excluded."""
        sums = np.sum([self._of(settings, half_lives, cut) for cut in cuts], axis=0)
        return self._told(settings, half_lives, cuts, sums)

    def race(
        self,
        settings: SourceSettings,
        best: SourceSettings,
        half_lives: HalfLives,
        cuts: Sequence[Cut],
        *,
        way: int,
    ) -> bool:
        """Whether settings beat the best so far; given up after a cut that leaves no hope.

        Maron and Moore, "Hoeffding Races", NIPS 1993, with a fixed margin.

        Parameters
        ----------
        way
            0: repeats allowed, 1: seen excluded.
        """
        ours, theirs = np.zeros(2), np.zeros(2)
        for seen, cut in enumerate(cuts, start=1):
            ours += self._of(settings, half_lives, cut)
            theirs += self._of(best, half_lives, cut)
            if seen < len(cuts) and ours[way] < _HOPELESS * theirs[way]:
                self._told(settings, half_lives, cuts[:seen], ours)
                return False
        self._told(settings, half_lives, cuts, ours)
        return bool(ours[way] > theirs[way])

    def tell_contenders(self, trial: Trial, settings: RerankerSettings) -> None:
        """Add the re-rankers that were tried, each with its NDCG and its interval."""
        for name, figure in trial.contenders.items():
            self._made[f"re-ranker {name}"] = {
                "settings": {"kind": name, **settings.model_dump(mode="json")},
                "users": trial.users,
                "ndcg_blend": trial.blend,
                **asdict(figure),
            }

    def _of(self, settings: SourceSettings, half_lives: HalfLives, cut: Cut) -> tuple[float, float]:
        """Sums over a cut's users."""
        name = json.dumps([settings.model_dump(mode="json"), half_lives, cut.at], sort_keys=True)
        if name not in self._sums:
            try:
                found = cut.ndcg(settings.fit(cut.data(*half_lives)), k=self._k)
            except InputDataError:  # this log does not have what the source needs
                found = (0.0, 0.0)
            self._sums[name] = found
            if self._journal is not None:
                self._journal.parent.mkdir(parents=True, exist_ok=True)
                with self._journal.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, *found]) + "\n")
        return self._sums[name]

    def _told(
        self,
        settings: SourceSettings,
        half_lives: HalfLives,
        cuts: Sequence[Cut],
        sums: np.ndarray,
    ) -> tuple[float, float]:
        users = sum(len(cut.rows) for cut in cuts)
        allowed, excluded = (float(each) / users for each in sums)
        used = {"interest": half_lives[0], "popularity": half_lives[1]}
        found = settings.model_dump(mode="json") | used
        self._made[json.dumps(found, sort_keys=True)] = {
            "settings": found,
            "users": users,
            "ndcg_repeats": allowed,
            "ndcg_new": excluded,
        }
        return allowed, excluded
