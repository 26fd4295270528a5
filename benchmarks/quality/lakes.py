"""A log of one nature in a lake of its own, run by the shipped pipeline with nothing set by hand.

The stages from `ingest` to `evaluate` run in one Spark session; what a day leaves is read back as
arrays: the model of the days before the hold-out, what users wanted in it, and the log before it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.features.inputs import Inputs
from recsys_batch.features.tables import part_ends
from recsys_batch.ingest.pseudonyms import FILE_VARIABLE, KEY_VARIABLE, load_key
from recsys_batch.job import Job, opened, timed_stage
from recsys_batch.ranking.backtest import Holdout, read_holdout
from recsys_batch.ranking.model import RankingModel, load_model
from recsys_batch.ranking.ranker import Ranker
from recsys_batch.ranking.stored import model_path
from recsys_batch.simulator import shop_settings, simulate
from recsys_batch.tuning.collect import log_of, log_tables
from recsys_batch.tuning.log import Log

Say = Callable[[str], None]
# Lists of the day itself are not needed: those of the hold-out's users come from the model of the
# days before it.
_STAGES = ("ingest", "validate", "tune", "features", "train", "evaluate")


@dataclass(frozen=True)
class Nature:
    """A log of some nature.

    Attributes
    ----------
    about
        What it is, for the report.
    dataset
        Name in ``conf/datasets/``.
    days
        Logical days, whose hold-outs follow each other and are judged together; none: the last
        day of the simulated files.
    files
        Folder of the landing files below that of the data; None: they are simulated.
    user_ids
        Column of the landing files that holds the source's user ids.
    preset
        Preset of the simulator.
    overrides
        Settings of the simulator that differ from the preset's.
    """

    about: str
    dataset: str
    days: tuple[str, ...] = ()
    files: str | None = None
    user_ids: Callable[[Path], Iterable[str]] | None = None
    preset: str = ""
    overrides: tuple[tuple[str, int], ...] = ()

    def landed(self, data: Path, work: Path) -> Landed:
        """The landing files, simulated below `work` where there are no others."""
        if self.files is not None:
            assert self.user_ids is not None
            folder = data / self.files
            return Landed(folder, self.days, list(self.user_ids(folder)))
        made = simulate(shop_settings(self.preset, dict(self.overrides)), out=work / "shop")
        last = max(path.stem for path in (made.landing / "events").iterdir())
        return Landed(made.landing, self.days or (last,), list(made.world.users.ids))


@dataclass(frozen=True)
class Landed:
    """Landing files, the days to run, and every user id that may be in the files."""

    folder: Path
    days: tuple[str, ...]
    user_ids: list[str]


@dataclass(frozen=True, eq=False)
class Day:
    """What a run of a day left.

    Attributes
    ----------
    cutoff
        The first day held out.
    k
        Depth of NDCG.
    horizon_days
        Days held out.
    model
        Fitted on the days before the hold-out.
    holdout
        What users wanted in it.
    log
        All acts before it.
    log_keys, log_ids
        User keys and item ids of the log's rows and columns.
    under
        Makes a ranker of a model and a length, under the run's rules as of the last day before
        the hold-out.
    """

    cutoff: dt.date
    k: int
    horizon_days: int
    model: RankingModel
    holdout: Holdout
    log: Log
    log_keys: list[str]
    log_ids: list[str]
    under: Callable[..., Ranker]


def run_days(nature: Nature, landed: Landed, work: Path, *, say: Say) -> Iterator[Day]:
    """Run each day up to its evaluation, and read back what it left."""
    with opened(
        dataset=nature.dataset,
        day=landed.days[0],
        landing=str(landed.folder),
        lake=str(work / "lake"),
        say=say,
    ) as first:
        for day in landed.days:
            job = _of_day(first, day)
            for name in _STAGES:
                with timed_stage(job, name):
                    importlib.import_module(f"jobs.{name}").run(job)
                say(f"{day}: {name} done")
            yield read_day(job)
        first.lake.spark.stop()


@contextlib.contextmanager
def own_key(work: Path) -> Iterator[None]:
    """A pseudonym key for the lakes made meanwhile: `source_ids` needs it."""
    path = work / "pseudonym.key"
    path.touch(mode=0o600)
    path.write_text("a key for benchmarks alone, no secret\n")
    kept = {name: os.environ.pop(name, None) for name in (KEY_VARIABLE, FILE_VARIABLE)}
    os.environ[FILE_VARIABLE] = str(path)
    try:
        yield
    finally:
        del os.environ[FILE_VARIABLE]
        os.environ.update({name: value for name, value in kept.items() if value is not None})


def _of_day(job: Job, day: str) -> Job:
    return replace(job, day=dt.date.fromisoformat(day))


def read_day(job: Job) -> Day:
    """What a job's run left; the log is read by its session."""
    run, settings = job.open_run(), job.settings
    cutoff = part_ends(job.day, settings)["train"]
    model = load_model(model_path(job.home, run.run_id, "train"))
    until = dt.datetime.combine(cutoff, dt.time(), dt.UTC)
    tables = log_tables(Inputs(job.lake, until=until, horizon=run.horizon), settings)
    return Day(
        cutoff=cutoff,
        k=settings.evaluation.k,
        horizon_days=settings.evaluation.holdout_days,
        model=model,
        holdout=read_holdout(job.home, run_id=run.run_id, trained_on=model.trained_on),
        log=log_of(tables, settings),
        log_keys=sorted(pc.unique(tables.acts[c.USER_KEY].drop_null()).to_pylist()),
        log_ids=sorted(tables.items[c.ITEM_ID].to_pylist()),
        under=partial(
            Ranker, policy=job.policy, as_of=cutoff - dt.timedelta(days=1), run_id=run.run_id
        ),
    )


def source_ids(user_ids: list[str]) -> dict[str, str]:
    """The source's user id of each pseudonym."""
    key, _ = load_key(create=False)
    return {key.user_key(each): each for each in user_ids}
