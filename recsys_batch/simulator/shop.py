"""The whole simulation: a landing folder, and beside it the truth it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from recsys_batch.errors import LandingError
from recsys_batch.simulator.counts import FileCount, total_counts
from recsys_batch.simulator.landing import Landing, event_table
from recsys_batch.simulator.memory import Memory
from recsys_batch.simulator.settings import ShopSettings
from recsys_batch.simulator.truth import (
    UNFINISHED,
    write_catalogue,
    write_profiles,
    write_truth,
    write_whole,
)
from recsys_batch.simulator.visits import (
    DEVICES,
    LONGEST,
    Visits,
    concatenate,
    simulate_slice,
)
from recsys_batch.simulator.world import DAY, Ints, World, build_world, stream

Progress = Callable[[int, int], None]

WEEK = (0.95, 0.9, 0.9, 0.95, 1.05, 1.2, 1.05)  # visits from Monday to Sunday, mean 1


@dataclass(frozen=True)
class Simulation:
    """What was simulated.

    Attributes
    ----------
    world
        The truth: tastes, items and what follows from them.
    landing, truth
        Folders written.
    counts
        Landed file (relative to `landing`) -> its lines by kind.
    in_flight
        Late and repeated lines that would have landed after the last file.
    """

    world: World
    landing: Path
    truth: Path
    counts: dict[str, FileCount]
    in_flight: int

    @property
    def total(self) -> FileCount:
        """Counts over all files."""
        return total_counts(self.counts)


def simulate(settings: ShopSettings, *, out: Path, progress: Progress | None = None) -> Simulation:
    """Write the landing files of a simulated shop, and its truth.

    Files are ``landing/events/YYYY-MM-DD.csv`` (or ``.jsonl``), ``landing/items/items.csv``,
    ``landing/profiles/profiles.csv`` if `settings` want profiles, and in ``truth/``:
    ``users.parquet``, ``items.parquet``, ``settings.json``, ``counts.json``.
    Equal settings give equal bytes, and the file of a day does not depend on how many days
    follow. Memory is bounded by a day's events, the catalogue and the pairs ever bought.

    Parameters
    ----------
    settings
        The shop.
    out
        Folder to write below; made if it is missing. Files of the same names are replaced.
    progress
        Called after each day with days done and days in all.

    Raises
    ------
    LandingError
        `out` cannot be written to, or holds event files that this simulation would not replace.
    """
    landed, truth = out / "landing", out / "truth"
    events, items, profiles = (landed / name for name in ("events", "items", "profiles"))
    _prepare(settings, out, (events, items, truth, *([profiles] if settings.profiles else [])))
    world = build_world(settings)
    write_catalogue(world, items / "items.csv")
    if settings.profiles:
        write_profiles(world, profiles / "profiles.csv")
    write_truth(world, truth)
    memory, landing = Memory(settings), Landing(world, events)
    for day in range(settings.days):
        _simulate_day(world, memory, landing, day)
        if progress:
            progress(day + 1, settings.days)
    result = Simulation(world, out / "landing", truth, landing.counts, landing.in_flight)
    report = {
        "files": {name: asdict(each) for name, each in landing.counts.items()},
        "total": asdict(result.total),
        "in_flight": result.in_flight,
    }
    write_whole(truth / "counts.json", (json.dumps(report, indent=1) + "\n").encode())
    return result


def _prepare(settings: ShopSettings, out: Path, folders: tuple[Path, ...]) -> None:
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LandingError(
            f"the folder cannot be made ({error.strerror})",
            where=str(out),
            fix="choose another one",
        ) from error
    days = (settings.first_day + timedelta(days=day) for day in range(settings.days))
    mine = {f"{day}.{settings.format}" for day in days}
    found = sorted(each.name for each in folders[0].iterdir())
    others = [each for each in found if each.removesuffix(UNFINISHED) not in mine]
    if others:
        raise LandingError(
            f"it holds {len(others)} files of something else, such as {others[0]}",
            where=str(folders[0]),
            fix="choose an empty folder, or remove them",
        )


def _simulate_day(world: World, memory: Memory, landing: Landing, day: int) -> None:
    settings = world.settings
    rng = stream(settings, DAY, day)
    visits = _visits(world, rng, day)
    step = 3600 * settings.slice_hours
    parts, requests = [], 0
    for first in range(24 * day, 24 * (day + 1), settings.slice_hours):
        rows = np.flatnonzero(visits.start // step == 3600 * first // step)
        part = simulate_slice(world, memory, rng, hour=first, visits=visits[rows])
        part.visit[:] = rows[part.visit]
        part.request[part.request >= 0] += requests
        requests = max(requests, int(part.request.max(initial=-1)) + 1)
        parts.append(part)
    landing.land(day, event_table(world, day=day, visits=visits, events=concatenate(parts)))


def _visits(world: World, rng: np.random.Generator, day: int) -> Visits:
    """Who comes on a day and when: fewer at night, more at the weekend."""
    settings = world.settings
    arrived = np.flatnonzero(world.users.arrival <= day)
    weekday = (settings.first_day + timedelta(days=day)).weekday()
    mean = settings.sessions_per_user_day * WEEK[weekday]
    user = np.repeat(arrived, rng.poisson(mean * world.users.activity[arrived]))
    second = (rng.beta(2.4, 1.7, len(user)) * 86400).astype(np.int64)
    step = 3600 * settings.slice_hours
    # Visits end within the slice in which they start, so that nothing outlives its offer.
    within: Ints = second % step * (step - LONGEST) // step
    usual = rng.random(len(user)) < 0.8
    device = np.where(usual, world.users.device[user], rng.integers(0, len(DEVICES), len(user)))
    return Visits(
        user=user,
        start=86400 * day + second // step * step + within,
        device=device,
        anonymous=rng.random(len(user)) < settings.anonymous_share,
    )
