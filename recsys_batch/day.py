"""Running stages of one day or many at a terminal: one session, progress, seconds a stage."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from recsys_batch.errors import ConfigError
from recsys_batch.imports import importing
from recsys_batch.ingest.batch import sources
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.ingest.replay import replay
from recsys_batch.job import Job, opened, parse_day, timed_stage
from recsys_batch.pipeline import Stage

_OPENING = ("ingest", "validate")  # after them the run has its name
# What a sealed publication needs no more.
_MAKING = ("tune", "features", "train", "recommend", "evaluate")


def run_stages(
    stages: Iterable[Stage],
    *,
    dataset: str,
    day: str,
    landing: str | None,
    lake: str,
    sets: tuple[str, ...] = (),
    horizon: int | None = None,
    again: bool = True,
) -> None:
    """Run stages of a day in order and show what they do.

    Parameters
    ----------
    horizon
        Last batch that the run may read, to repeat what an earlier run saw; None reads all.
    again
        Make lists anew that are sealed already; else stages that would are passed over.

    Raises
    ------
    RecsysError
        A stage failed; what earlier stages wrote stays, and the live publication is untouched.
    """
    steps = list(stages)
    with _session(
        steps, dataset=dataset, day=day, landing=landing, lake=lake, sets=sets, horizon=horizon
    ) as (job, advance):
        opening = [each for each in steps if each.name in _OPENING]
        _run_day(job, opening, advance)
        rest = [each for each in steps if each not in opening]
        if not again and _is_sealed(job):
            job.say(
                f"nothing has changed since {job.open_run().run_id} was sealed: "
                f"{', '.join(_MAKING)} are passed over; --again does them anew"
            )
            rest = [each for each in rest if each.name not in _MAKING]
        _run_day(job, rest, advance)


def backfill(
    stages: Iterable[Stage],
    *,
    dataset: str,
    days: Sequence[str],
    landing: str | None,
    lake: str,
    sets: tuple[str, ...] = (),
    horizon: int | None = None,
    again: bool = False,
) -> None:
    """Run several days in the order given, in one session; files are taken once, at the start.

    A day whose publication is sealed already is passed over, so that a backfill which was stopped
    goes on where it was.

    Parameters
    ----------
    stages
        Stages of each day, in order.
    days
        Logical days, YYYY-MM-DD.
    again
        Run sealed days, too.

    Raises
    ------
    RecsysError
        A day failed; the days before it are done.
    """
    steps = list(stages)
    with _session(
        steps * len(days),
        dataset=dataset,
        day=days[0],
        landing=landing,
        lake=lake,
        sets=sets,
        horizon=horizon,
    ) as (job, advance):
        for place, day in enumerate(days):
            of_day = replace(job, day=parse_day(day))
            opening = [each for each in steps if each.name in _OPENING]
            making = [each for each in steps if each not in opening]
            if place:
                opening = [each for each in opening if each.name != "ingest"]
            job.say(f"day {day} ({place + 1} of {len(days)})")
            _run_day(of_day, opening, advance)
            if not again and making and _is_sealed(of_day):
                job.say(f"passed over: {of_day.open_run().run_id} is sealed")
                continue
            _run_day(of_day, making, advance)


def _is_sealed(job: Job) -> bool:
    from recsys_batch.publish.manifest import sealed_manifest

    return sealed_manifest(job.home, job.open_run().run_id) is not None


@contextlib.contextmanager
def _session(
    steps: Sequence[Stage], **options: Any
) -> Iterator[tuple[Job, Callable[[str, float], None]]]:
    """A job whose progress is shown; at the end, the seconds of what `advance` was told."""
    seconds: dict[str, float] = {}
    sets = parse_sets(options.pop("sets"))
    with progress_line() as bar:
        task = bar.add_task("starting Spark", total=len(steps))

        def advance(name: str, spent: float) -> None:
            seconds[name] = seconds.get(name, 0.0) + spent
            bar.advance(task)

        start = time.perf_counter()
        with opened(
            **options,
            overrides=sets,
            stages=tuple(dict.fromkeys(each.name for each in steps)),
            say=lambda line: bar.console.print(line, highlight=False, markup=False, soft_wrap=True),
            progress=lambda what, done, all_: bar.update(
                task, description=what + (f" ({done}/{all_})" if all_ else "")
            ),
        ) as job:
            seconds["session"] = time.perf_counter() - start
            yield job, advance
            job.lake.spark.stop()
    spent = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    click.echo(f"seconds: {spent}; in all {sum(seconds.values()):.1f}")


def _run_day(job: Job, stages: Sequence[Stage], advance: Callable[[str, float], None]) -> None:
    names = [each.name for each in stages]
    for place, each in enumerate(stages):
        named = replace(job, progress=_prefixed(job.progress, each.name))
        job.progress(each.name, 0, 0)
        start = time.perf_counter()
        beside = _beside(job, each.name, names[place + 1 :])
        with timed_stage(named, each.name), importing(beside):
            importlib.import_module(f"jobs.{each.name}").run(named)
        advance(each.name, time.perf_counter() - start)


def _beside(job: Job, stage: str, later: Sequence[str]) -> list[Callable[[], object]]:
    """What is made ready for later stages while this one leaves Spark idle."""
    if stage != "train" or "recommend" not in later:
        return []
    from recsys_batch.ranking.runner import wake_workers

    return [partial(wake_workers, job.lake.spark)]


def _prefixed(
    progress: Callable[[str, int, int], None], stage: str
) -> Callable[[str, int, int], None]:
    return lambda what, done, steps: progress(f"{stage}: {what}", done, steps)


def replay_quarantine(
    *, dataset: str, lake: str, reasons: tuple[str, ...], sets: tuple[str, ...] = ()
) -> None:
    """Replay the quarantined lines of each source, and say what became of them.

    Raises
    ------
    RecsysError
        Anything a user can set right; what was replayed before it stays.
    """
    with progress_line() as bar:
        task = bar.add_task("starting Spark", total=None)
        with opened(
            dataset=dataset,
            day=dt.datetime.now(dt.UTC).date().isoformat(),
            landing=None,
            lake=lake,
            overrides=parse_sets(sets),
            say=click.echo,
        ) as job:
            key, _ = load_key(create=False)
            for source in sources(job.settings.dataset):
                bar.update(task, description=f"replaying {source.name}")
                with timed_stage(job, "replay"):
                    rows = replay(
                        job.lake,
                        source,
                        dataset=job.settings.dataset,
                        key=key,
                        now=job.now,
                        reasons=reasons,
                    )
                click.echo(
                    f"{source.name}: {rows.landed} lines of {rows.files} files taken anew = "
                    f"{rows.accepted} accepted + {rows.quarantined} still quarantined "
                    f"+ {rows.duplicate} duplicate"
                )
            job.lake.spark.stop()


@contextlib.contextmanager
def progress_line() -> Iterator[Progress]:
    """A line on standard error that says what is being done; plain lines are left to `say`."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar


def parse_sets(sets: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs, values as YAML.

    Raises
    ------
    ConfigError
        A pair has no ``=``, or its value is no YAML.
    """
    found: dict[str, Any] = {}
    for each in sets:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"{each!r} is not KEY=VALUE", where="--set", fix="write it like recommend.n=20"
            )
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"the value of {key} is not YAML ({' '.join(str(error).split())})",
                where=f"--set {each}",
                fix="write a plain value, or a list like [purchase, rating]",
            ) from error
    return found


def days_between(first: str, last: str) -> list[str]:
    """The days from `first` to `last`, both included, as YYYY-MM-DD.

    Raises
    ------
    ConfigError
        One is no day, or the last lies before the first.
    """
    start, end = parse_day(first), parse_day(last)
    if end < start:
        raise ConfigError(
            f"{last} lies before {first}", where="--from and --to", fix="name the earlier day first"
        )
    return [(start + dt.timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]


def simulate_shop(preset: str, overrides: dict[str, Any], out: Path) -> None:
    """Write a simulated shop's landing files and say what was written."""
    from recsys_batch.simulator import shop_settings, simulate

    with progress_line() as bar:
        task = bar.add_task("simulating days", total=None)
        made = simulate(
            shop_settings(preset, overrides),
            out=out,
            progress=lambda done, days: bar.update(task, completed=done, total=days),
        )
    total = made.total
    click.echo(
        f"{made.landing}: {total.total} event lines, of them {total.clean} clean, "
        f"{total.duplicates} repeated, {sum(total.dirty.values())} dirty; the truth is in "
        f"{made.truth}"
    )


def rekey_dataset(*, dataset: str, lake: str) -> None:
    """Move a data set's users from the old pseudonym key to the current one, and say so."""
    from recsys_batch.ingest.pseudonyms import load_key, load_old_key
    from recsys_batch.ingest.rotation import rekey

    key, old = load_key(create=False)[0], load_old_key()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    with opened(dataset=dataset, day=today, landing=None, lake=lake, say=click.echo) as job:
        with timed_stage(job, "rekey"):
            moved = rekey(job.lake, dataset=job.settings.dataset, key=key, old=old)
        job.lake.spark.stop()
    rows = ", ".join(f"{count} rows of {name}" for name, count in moved.items())
    click.echo(f"{job.home}: from key {old.key_id} to {key.key_id}: {rows or 'nothing'}")
    click.echo("next: run the day anew; lists under the old key are not found any more")
