"""Files beside the events: catalogue, profiles, and the truth to check learning against."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl

from recsys_batch import columns as c
from recsys_batch.errors import LandingError
from recsys_batch.simulator.settings import ShopSettings
from recsys_batch.simulator.world import PROFILES, USER_ID, World, build_world, stream

_OLDEST, _YOUNGEST = 1940, 2008  # years of birth
_COHORTS = ("classic", "practical", "curious", "trendy")
_MISPLACED = 0.2  # share of people whose cohort is drawn and says nothing
UNFINISHED = ".unfinished"  # ends the name of a file that is being written


def write_catalogue(world: World, path: Path) -> None:
    """Write the item file: all items that arrive before the last day ends."""
    items = world.items
    birth = pl.Series((items.birth * 3600).astype(np.int64) + int(world.start.timestamp()))
    table = pl.DataFrame(
        {
            c.ITEM_ID: items.ids,
            c.TITLE: items.text,
            c.CATEGORY: [world.categories[each] for each in items.category],
            c.PRICE: items.price,
            c.VALID_FROM: pl.from_epoch(birth).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    write_whole(path, table.write_csv().encode())


def write_profiles(world: World, path: Path) -> None:
    """Write the profile file: all who arrive before the last day ends, and what they say.

    The year of birth is drawn evenly and means nothing for what they do. The cohort says on which
    side of two lines through the tastes of all theirs lies; of a fifth of the people it is drawn.
    """
    users, start = world.users, int(world.start.timestamp())
    age = stream(world.settings, PROFILES).random(len(users))
    lines = stream(world.settings, PROFILES, 1).standard_normal((2, world.settings.factors))
    drawn = stream(world.settings, PROFILES, 2).random(len(users)) / _MISPLACED
    true = (users.factors @ lines.T > 0) @ np.array([2, 1])
    cohort = np.where(drawn < 1, (drawn * len(_COHORTS)).astype(np.int64), true)
    arrival = pl.Series(users.arrival * 86400 + start)
    table = pl.DataFrame(
        {
            USER_ID: users.ids,
            c.REGION: [world.settings.regions[each] for each in users.region],
            c.COHORT: [_COHORTS[each] for each in cohort],
            c.BIRTH_YEAR: _OLDEST + (age * (_YOUNGEST + 1 - _OLDEST)).astype(np.int64),
            c.CONSENT: users.consent,
            c.VALID_FROM: pl.from_epoch(arrival).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    write_whole(path, table.write_csv().encode())


def write_truth(world: World, folder: Path) -> None:
    """Write people and items with their factors as Parquet, and the settings as JSON."""
    users, items = world.users, world.items
    people = pl.DataFrame(
        {
            USER_ID: users.ids,
            "arrival_day": users.arrival,
            "activity": users.activity,
            c.REGION: [world.settings.regions[each] for each in users.region],
            c.CONSENT: users.consent,
            c.FACTORS: users.factors,
            "policy_factors": users.policy_factors,
        }
    )
    things = pl.DataFrame(
        {
            c.ITEM_ID: items.ids,
            c.CATEGORY: [world.categories[each] for each in items.category],
            "birth_hour": items.birth,
            "death_hour": items.death,
            "log_popularity": items.popularity,
            "trend_swing": items.swing,
            "trend_days": items.period,
            "trend_phase": items.phase,
            c.FACTORS: items.factors,
        }
    )
    for name, table in (("users", people), ("items", things)):
        buffer = io.BytesIO()
        table.write_parquet(buffer)
        write_whole(folder / f"{name}.parquet", buffer.getvalue())
    write_whole(folder / "settings.json", world.settings.model_dump_json(indent=1).encode() + b"\n")


def read_world(out: Path) -> World:
    """Build the truth of a simulation again from its ``truth/settings.json``.

    Raises
    ------
    LandingError
        `out` is not a folder that `simulate` wrote.
    """
    path = out / "truth" / "settings.json"
    try:
        return build_world(ShopSettings.model_validate_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise LandingError(
            "there are no settings of a simulation",
            where=str(path),
            fix="name a folder that `recsys-batch simulate --out` wrote",
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it under its name."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise LandingError(
            f"the file cannot be written ({error.strerror})",
            where=str(path),
            fix="make room, or choose a folder that can be written to",
        ) from error
