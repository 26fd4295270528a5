"""The engine of ALS: this machine while its memory is there, else Spark MLlib on a cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy import sparse

from recsys_batch.config import ModelSettings
from recsys_batch.errors import SetupError
from recsys_batch.models.als import als_memory
from recsys_batch.models.mllib import UNFINISHED, fit_mllib
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
        Driver and executors see it; MLlib's files lie there while it fits.
    say
        Called with a line for the user where `auto` does not take this machine.
    progress
        Called with sweeps done and sweeps in all.
    """

    settings: ModelSettings
    spark: SparkSession
    folder: Path
    say: Callable[[str], None] = lambda _line: None
    progress: Callable[[int, int], None] | None = None

    def __call__(self, als: AlsSettings, data: SourceData) -> FactorScores:
        """Fit a source of kind `als`; what MLlib fitted is kept until the stage is done.

        Raises
        ------
        SetupError
            `local` is asked for and does not fit.
        InputDataError
            The factors are not finite.
        """
        need = als_memory(data.weights, factors=als.factors)
        limit = self._limit()
        if choose_engine(self.settings.engine, need=need, limit=limit) == "local":
            return als.fit(data, threads=cores())
        if self.settings.engine == "auto":
            self.say(f"als: {_lack(need, limit)}: fitted by Spark MLlib")
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / f"{UNFINISHED}{_digest(als, data.weights)}.npz"
        if kept.exists():
            self.say("als: fitted before this stage was stopped")
            return _read(kept)
        fitted = FactorScores(*self._fit_mllib(als, data))
        _write(kept, fitted)
        return fitted

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


def _digest(als: AlsSettings, weights: sparse.csr_matrix) -> str:
    """Name of a fit (16 hex digits): its settings and interactions."""
    digest = hashlib.sha256(f"{als.model_dump_json()} {weights.shape}".encode())
    for part in (weights.indptr, weights.indices, weights.data):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:16]


def _write(path: Path, fitted: FactorScores) -> None:
    aside = path.with_suffix(".building")
    with aside.open("wb") as file:
        np.savez(file, users=fitted.users, items=fitted.items)
    aside.replace(path)


def _read(path: Path) -> FactorScores:
    with np.load(path) as found:
        return FactorScores(found["users"], found["items"])


def _lack(need: int, limit: int | None) -> str:
    there = 0 if limit is None else limit
    return f"{-(-need // 2**20):,} MiB of memory are needed, {there // 2**20:,} MiB available"
