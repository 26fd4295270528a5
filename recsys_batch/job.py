"""What every job shares: its arguments, settings, session, landing folder, log and run."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import datetime as dt
import gc
import getpass
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_batch.config import Settings, load_settings
from recsys_batch.contracts.engine import great_expectations
from recsys_batch.errors import TRACEBACK, ConfigError, LandingError, RecsysError
from recsys_batch.features.history import day_end
from recsys_batch.features.inputs import Inputs
from recsys_batch.imports import importing
from recsys_batch.ingest.days import inputs_digest
from recsys_batch.ingest.landing import landing_place, require_folder
from recsys_batch.ingest.objects import S3Folder
from recsys_batch.ingest.pseudonyms import content_digest
from recsys_batch.lake.cost import Meter, keep_cost
from recsys_batch.lake.digests import code_version
from recsys_batch.lake.failures import stage_failure
from recsys_batch.lake.logs import LOG, log_file
from recsys_batch.lake.places import lake_folder, settle
from recsys_batch.lake.runs import Run, make_run, open_run
from recsys_batch.lake.s3 import DISCOVERY, S3Place
from recsys_batch.lake.session import make_session
from recsys_batch.lake.store import Lake, write_lock
from recsys_batch.models.registry import mlflow_client
from recsys_batch.ranking.policy import Policy, load_policy
from recsys_batch.ranking.stored import run_folder
from recsys_batch.setup.jars import require_s3_jars

if TYPE_CHECKING:
    from recsys_batch.models.engines import AlsEngine

# What takes seconds to import, and the stages that use it.
_SLOW_IMPORTS: tuple[tuple[Callable[[], object], frozenset[str]], ...] = (
    (great_expectations, frozenset({"validate", "features", "recommend"})),
    (mlflow_client, frozenset({"tune", "train", "evaluate", "export"})),
)


@dataclass(frozen=True)
class Job:
    """A stage's surroundings.

    Attributes
    ----------
    settings
        Everything configured.
    lake
        The dataset's tables.
    landing
        Folder or S3 prefix that the files land in, as given; None where none was.
    day
        The logical day (UTC).
    now
        The instant the process began; for audit and landing, never for a result.
    horizon
        Last batch that the run may read; None: all that are complete.
    policy
        The rules of the lists; if none are given, those that ship.
    say
        Called with a line for the user.
    progress
        Called with what is being done, the steps done and the steps in all.
    """

    settings: Settings
    lake: Lake
    landing: Path | S3Folder | None
    day: dt.date
    now: dt.datetime
    horizon: int | None = None
    policy: Policy = field(default_factory=lambda: load_policy("default"))
    say: Callable[[str], None] = field(default=lambda _line: None)
    progress: Callable[[str, int, int], None] = field(default=lambda _what, _done, _all: None)

    @property
    def home(self) -> Path:
        """Folder of the dataset in the lake."""
        return self.lake.home

    def steps(self, what: str) -> Callable[[int, int], None]:
        """A callback of steps done and steps in all that reports them as progress of `what`."""
        return lambda done, steps: self.progress(what, done, steps)

    @property
    def config_digest(self) -> str:
        """Digest of the settings and rules that can change a result."""
        return content_digest(self.settings.digest(), self.policy.digest())

    def name_run(self, *, horizon: int) -> Run:
        """The run of the day by what it sees of the counted batches up to a horizon."""
        seen = Inputs(self.lake, until=day_end(self.day), horizon=horizon)
        digest, rows = inputs_digest(
            self.home, last_day=self.day, horizon=horizon, heeded=seen.heeded()
        )
        return make_run(
            dataset=self.settings.dataset.name,
            as_of=self.day,
            horizon=horizon,
            events_digest=digest,
            events=rows,
            config_digest=self.config_digest,
            code_version=code_version(),
        )

    def open_run(self) -> Run:
        """The day's run, as `validate` opened it."""
        return open_run(
            self.home,
            as_of=self.day,
            config_digest=self.config_digest,
            code_version=code_version(),
            horizon=self.horizon,
        )

    def als_engine(self, run_id: str) -> AlsEngine:
        """What fits a run's sources of kind `als`, as the settings have it."""
        from recsys_batch.models.engines import AlsEngine

        return AlsEngine(
            self.settings.model,
            self.lake.spark,
            run_folder(self.home, run_id),
            say=self.say,
            progress=self.steps("als, sweeps"),
        )

    def landing_folder(self) -> Path | S3Folder:
        """The landing folder; raise `LandingError` where neither caller nor dataset names one."""
        if self.landing is not None:
            return self.landing
        if self.settings.dataset.landing is None:
            raise LandingError(
                "no landing folder is named",
                where=f"dataset {self.settings.dataset.name}",
                fix="add --landing DIR, or `landing:` to the dataset's YAML",
            )
        return landing_place(self.settings.dataset.landing)


def actor() -> str:
    """Who runs this, for the audit log: the user's name, or the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def parse_day(text: str) -> dt.date:
    """Read YYYY-MM-DD.

    Raises
    ------
    ConfigError
        It is no such day.
    """
    try:
        day = dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not a day", where="--date", fix="write it as YYYY-MM-DD"
        ) from error
    return day


@contextlib.contextmanager
def opened(
    *,
    dataset: str,
    day: str,
    landing: str | None,
    lake: str,
    overrides: dict[str, Any] | None = None,
    horizon: int | None = None,
    stages: Sequence[str] = (),
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> Iterator[Job]:
    """Open a dataset for writing: settings, lock, session and log file.

    Parameters
    ----------
    stages
        Names of those that will be run, in order: what they import is imported aside.

    Raises
    ------
    RecsysError
        Anything a user can set right; nothing was written.
    """
    settings = load_settings(dataset, overrides=overrides)
    policy = load_policy(settings.recommend.rules)
    logical_day = parse_day(day)
    place = None if landing is None else landing_place(landing)
    if place is not None:
        require_folder(place)
    home = lake_folder(lake) / settings.dataset.name
    address = settings.lake.tables and f"{settings.lake.tables.rstrip('/')}/{home.name}"
    import pyspark.sql  # noqa: F401  # else two threads would import it at once

    with write_lock(home), log_file(home), importing(imports(stages)):
        far = isinstance(settle(home, address), S3Place)
        if far:
            require_s3_jars()
        spark = make_session(settings.spark, more=DISCOVERY if far else None)
        # A process that ends gives all back: looking it through for cycles first takes a second.
        atexit.register(gc.freeze)
        yield Job(
            settings=settings,
            lake=Lake(spark, home),
            landing=place,
            day=logical_day,
            now=dt.datetime.now(dt.UTC),
            policy=policy,
            horizon=horizon,
            say=say,
            progress=progress,
        )


def imports(stages: Sequence[str]) -> list[Callable[[], object]]:
    """What imports the stages behind the first, and the libraries that any of them uses."""
    libraries = [slow for slow, users in _SLOW_IMPORTS if not users.isdisjoint(stages)]
    return [*(partial(import_module, f"jobs.{each}") for each in stages[1:]), *libraries]


@contextlib.contextmanager
def timed_stage(job: Job, name: str) -> Iterator[None]:
    """Log a stage's start, end, seconds and failure; keep what it took in `costs`.

    Raises
    ------
    StageError
        Spark or the disk failed; the error itself is the cause.
    """
    fields = {"dataset": job.settings.dataset.name, "stage": name, "as_of": job.day.isoformat()}
    meter = Meter(job.lake.spark)
    LOG.info("stage started", extra={"fields": fields})
    try:
        yield
    except Exception as error:
        meter.abandon()
        kind = type(error).__name__
        where = f"stage {name} of {job.day}, {job.home}"
        told = error if isinstance(error, RecsysError) else stage_failure(error, where=where)
        LOG.error(
            "stage failed: %s",
            kind if told is None else told,
            extra={"fields": {**fields, "error": kind}},
        )
        if told is None or told is error:
            raise
        raise told from error
    cost = meter.stop()
    keep_cost(job.home, cost, stage=name, as_of=job.day, ended=dt.datetime.now(dt.UTC))
    LOG.info("stage ended", extra={"fields": {**fields, **asdict(cost)}})


def main(name: str, run: Callable[[Job], object]) -> None:
    """Run a stage as a script: ``spark-submit jobs/NAME.py --dataset X --date DAY``.

    A `RecsysError` ends it with one sentence on standard error and the error's exit code.
    """
    parser = argparse.ArgumentParser(description=f"Run the stage {name} of one day.")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--date", required=True, help="logical day, YYYY-MM-DD")
    parser.add_argument("--landing", help="landing folder; default: the dataset's")
    parser.add_argument("--lake", default=os.environ.get("RECSYS_BATCH_LAKE", "lake"))
    parser.add_argument("--horizon", type=int, help="last batch to read; default: all")
    given = parser.parse_args()

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        with opened(
            dataset=given.dataset,
            day=given.date,
            landing=given.landing,
            lake=given.lake,
            horizon=given.horizon,
            stages=(name,),
            say=say,
        ) as job:
            with timed_stage(job, name):
                run(job)
            job.lake.spark.stop()
    except RecsysError as error:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
