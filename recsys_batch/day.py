"""Running stages at a terminal: one session, a line of progress, seconds a stage."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from recsys_batch.errors import ConfigError
from recsys_batch.job import opened, timed_stage
from recsys_batch.pipeline import Stage


def run_stages(
    stages: Iterable[Stage],
    *,
    dataset: str,
    day: str,
    landing: str | None,
    lake: str,
    sets: tuple[str, ...] = (),
) -> dict[str, float]:
    """Run stages in order, show what they do, and return seconds by stage.

    Raises
    ------
    RecsysError
        A stage failed; what earlier stages wrote stays, and the live publication is untouched.
    """
    steps = list(stages)
    seconds: dict[str, float] = {}
    with progress_line() as bar:
        task = bar.add_task("starting Spark", total=len(steps))
        start = time.perf_counter()
        with opened(
            dataset=dataset,
            day=day,
            landing=landing,
            lake=lake,
            overrides=parse_sets(sets),
            say=lambda line: bar.console.print(line, highlight=False, markup=False, soft_wrap=True),
            progress=lambda what, done, steps_: bar.update(
                task, description=f"{current}: {what} ({done}/{steps_})"
            ),
        ) as job:
            seconds["session"] = time.perf_counter() - start
            for each in steps:
                current = each.name
                bar.update(task, description=current)
                start = time.perf_counter()
                with timed_stage(job, each.name):
                    importlib.import_module(f"jobs.{each.name}").run(job)
                seconds[each.name] = time.perf_counter() - start
                bar.advance(task)
            job.lake.spark.stop()
    spent = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    click.echo(f"seconds: {spent}; in all {sum(seconds.values()):.1f}")
    return seconds


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
                f"{each!r} is not KEY=VALUE", where="--set", fix="write it like als.factors=32"
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
