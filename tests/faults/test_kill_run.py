"""SIGKILL of a whole day's run, JVM and workers included, at seeded moments in every stage.

The same lake is killed again and again, each kill hitting the run that was to mend the one before.
"""

from __future__ import annotations

import random
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from e2e.sample import DAYS, SHOP, must

from faults.children import (
    Place,
    kill_in,
    leftovers,
    promotions,
    publication,
    read_as_a_user,
    stage_seconds,
    tables,
)
from faults.soak import TIMES
from recsys_batch.inspection import dataset_status
from recsys_batch.pipeline import STAGES

SEEDS = range(4, 4 + TIMES)
# Two stages' worth of tables are new on the first day; the second is published over a live first.
FIRST_DAY = ("ingest", "ingest", "validate", "tune", "features", "train")
SECOND_DAY = ("ingest", "recommend", "evaluate", "publish", "export")
pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """The landing files of two days and the days before them."""
    out = tmp_path_factory.mktemp("shop")
    must("recsys-batch", "simulate", *SHOP, "--out", out)
    return out / "landing"


def lay_out(shop: Path, folder: Path) -> Place:
    """A lake whose landing folder does not yet hold the second day's file."""
    place = Place(folder / "lake", folder / "landing")
    shutil.copytree(shop, place.landing)
    (place.landing / "events" / f"{DAYS[1]}.csv").unlink()
    return place


def land_second_day(shop: Path, place: Place) -> None:
    name = f"events/{DAYS[1]}.csv"
    shutil.copyfile(shop / name, place.landing / name)


@pytest.fixture(scope="module")
def undisturbed(shop, tmp_path_factory):
    """Of each day of a lake that nothing disturbed: publication, tables, seconds of the stages."""
    place = lay_out(shop, tmp_path_factory.mktemp("undisturbed"))
    days = []
    for number, day in enumerate(DAYS):
        if number:
            land_second_day(shop, place)
        pid = place.finish(day)
        live = read_as_a_user(place.home)
        days.append((live, publication(place.home, live), tables(place.home)))
        assert len(days) == 1 or promotions(place.home) == [("promote", each[0]) for each in days]
        seconds = stage_seconds(place, pid)
        assert list(seconds) == [stage.name for stage in STAGES]
        days[-1] += (seconds,)
    return days


def look(home: Path, *, allowed: dict) -> str | None:
    """Read as a user; what is live must be one of the publications that may be, whole."""
    live = read_as_a_user(home)
    assert live in allowed
    return live


def kill_day(place: Place, day: str, stages: tuple[str, ...], *, seconds, allowed, draw) -> list:
    """Kill the day in each of `stages`, in this order; return where it died and what is live."""
    watch = partial(look, place.home, allowed=allowed)
    died = []
    for stage in stages:
        for share in (draw.uniform(0.05, 0.8), draw.uniform(0.0, 0.3), 0.0):
            after = share * seconds[stage]
            where = kill_in(place, day, stage, after, watch=watch)
            live = watch()
            if live is not None:
                assert publication(place.home, live) == allowed[live]
            dataset_status(dataset="sample", lake=str(place.lake))
            died.append((stage, where, round(after, 2), live))
            sys.stdout.write(f"killed {after:.2f} s into {stage}, {where}; live: {live}\n")
            if where == stage:
                break
    return died


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_killed_at_any_moment_and_repeated_leaves_what_an_undisturbed_one_does(
    shop, undisturbed, tmp_path, seed
):
    sys.stdout.write(f"seed {seed}\n")
    draw = random.Random(seed)
    (first, first_whole, first_tables, cold), (second, second_whole, second_tables, warm) = (
        undisturbed
    )
    place = lay_out(shop, tmp_path)

    died = kill_day(place, DAYS[0], FIRST_DAY, seconds=cold, allowed={None: None}, draw=draw)
    place.finish(DAYS[0])
    assert read_as_a_user(place.home) == first
    assert publication(place.home, first) == first_whole
    assert tables(place.home) == first_tables

    land_second_day(shop, place)
    both = {first: first_whole, second: second_whole}
    died += kill_day(place, DAYS[1], SECOND_DAY, seconds=warm, allowed=both, draw=draw)
    place.finish(DAYS[1])
    assert read_as_a_user(place.home) == second
    assert publication(place.home, first) == first_whole
    assert publication(place.home, second) == second_whole
    assert tables(place.home) == second_tables

    assert len(died) >= 10
    assert {where for _, where, _, _ in died} >= {stage.name for stage in STAGES}
    assert promotions(place.home) == [("promote", first), ("promote", second)]
    assert leftovers(place.home) == []
