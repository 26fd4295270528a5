"""The engine of ALS: this machine while its memory is there, else Spark MLlib on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from recsys_batch.config import ModelSettings
from recsys_batch.errors import SetupError
from recsys_batch.models.als import AlsState, als_memory
from recsys_batch.models.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from recsys_batch.models.mllib import fit_mllib
from recsys_batch.models.sources import AlsSettings, FactorScores, SourceData
from recsys_batch.models.sources.interface import Floats
from recsys_batch.setup.machine import available_memory, cores, parse_memory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FitAls: TypeAlias = Callable[[AlsSettings, SourceData], FactorScores]


@dataclass(frozen=True)
class AlsEngine:
    """Fits ALS by the engine that the settings name or that the size of the data asks for.

    Attributes
    ----------
    settings
        Of which `engine` and `memory` count.
    spark
        The session, for MLlib.
    folder
        Driver and executors see it; MLlib's files lie there while it fits, and checkpoints.
    say
        Called with a line for the user where `auto` does not take this machine, and where a fit
        does not begin anew.
    progress
        Called with sweeps done and sweeps in all.
    apart
        Seconds of fitting on this machine before a checkpoint is worth writing.
    """

    settings: ModelSettings
    spark: SparkSession
    folder: Path
    say: Callable[[str], None] = lambda _line: None
    progress: Callable[[int, int], None] | None = None
    apart: float = 20.0

    def __call__(self, als: AlsSettings, data: SourceData) -> FactorScores:
        """Fit a source of kind `als`, or go on with it where a stage that was killed left off.

        What MLlib fitted is kept, and of this machine the state after a sweep when it is worth it.

        Raises
        ------
        SetupError
            `local` is asked for and does not fit.
        InputDataError
            The factors are not finite.
        OSError
            A checkpoint cannot be written.
        """
        need = als_memory(data.weights, factors=als.factors)
        limit = self._limit()
        engine = choose_engine(self.settings.engine, need=need, limit=limit)
        if engine != "local" and self.settings.engine == "auto":
            self.say(f"als: {_lack(need, limit)}: fitted by Spark MLlib")
        path = checkpoint_path(self.folder, engine, als, data.weights)
        kept = self._kept(path, als, data)
        if kept is not None and kept.sweeps == als.iterations:
            return FactorScores(kept.users, kept.items)
        if engine == "local":
            after = self._after_sweep(path, als.iterations)
            return als.fit(data, threads=cores(), start=kept, after_sweep=after)
        self.folder.mkdir(parents=True, exist_ok=True)
        fitted = FactorScores(*self._fit_mllib(als, data))
        write_checkpoint(path, AlsState(als.iterations, fitted.users, fitted.items))
        return fitted

    def _kept(self, path: Path, als: AlsSettings, data: SourceData) -> AlsState | None:
        """What was kept of a fit, and a line about it."""
        if not path.exists():
            return None
        state = read_checkpoint(path, als, data.weights.shape)
        if state is None:
            self.say(f"als: {path} is damaged: fitted from the beginning")
        elif state.sweeps < als.iterations:
            self.say(f"als: goes on behind sweep {state.sweeps} of {als.iterations}")
        else:
            self.say("als: fitted before this stage was stopped")
        return state

    def _after_sweep(self, path: Path, sweeps: int) -> Callable[[AlsState], None]:
        """Report a sweep, and write its state if it is time to; the last one where others were."""
        written = time.monotonic()

        def after(state: AlsState) -> None:
            nonlocal written
            if self.progress is not None:
                self.progress(state.sweeps, sweeps)
            completes = state.sweeps == sweeps and path.exists()
            if completes or time.monotonic() - written >= self.apart:
                write_checkpoint(path, state)
                written = time.monotonic()

        return after

    def _fit_mllib(self, als: AlsSettings, data: SourceData) -> tuple[Floats, Floats]:
        return fit_mllib(
            self.spark,
            data.weights,
            factors=als.factors,
            regularization=als.regularization,
            alpha=als.alpha,
            iterations=als.iterations,
            seed=als.seed,
            frequency_exponent=als.frequency_exponent,
            folder=self.folder,
            progress=self.progress,
        )

    def _limit(self) -> int | None:
        if self.settings.memory is None:
            return available_memory()
        return parse_memory(self.settings.memory, where="model.memory")


def choose_engine(
    wanted: Literal["auto", "local", "mllib"], *, need: int, limit: int | None
) -> Literal["local", "mllib"]:
    """The engine that fits.

    Parameters
    ----------
    wanted
        As `ModelSettings.engine`.
    need, limit
        Bytes that `local` takes, and that it may take; None: nobody knows, so that it may.

    Raises
    ------
    SetupError
        `local` is asked for and does not fit.
    """
    fits = limit is None or need <= limit
    if wanted == "auto":
        return "local" if fits else "mllib"
    if wanted == "local" and not fits:
        raise SetupError(
            f"als on this machine: {_lack(need, limit)}",
            where="model.engine local",
            fix="set it to auto or mllib and name a cluster (docs/cluster.md), or give it more "
            "memory (model.memory)",
        )
    return wanted


def _lack(need: int, limit: int | None) -> str:
    there = 0 if limit is None else limit
    return f"{-(-need // 2**20):,} MiB of memory are needed, {there // 2**20:,} MiB available"
