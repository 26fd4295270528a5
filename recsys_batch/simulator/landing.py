"""The day's events as they land: late, twice, and now and then spoiled; every line is counted."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from recsys_batch import columns as c
from recsys_batch.simulator.counts import FileCount, count_file
from recsys_batch.simulator.dirt import FAULTS, spoil
from recsys_batch.simulator.truth import write_whole
from recsys_batch.simulator.visits import CART, DEVICES, SURFACES, TYPES, Events, Visits
from recsys_batch.simulator.world import DELIVERY, USER_ID, Ints, World, stream

EVENT_COLUMNS = [
    c.EVENT_ID,
    USER_ID,
    c.ITEM_ID,
    c.EVENT_TYPE,
    c.EVENT_TIME,
    c.REQUEST_ID,
    c.POSITION,
    c.PROPENSITY,
    c.PRICE,
    c.QUANTITY,
    c.REGION,
    c.DEVICE,
    c.SURFACE,
    c.CONSENT,
]
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def event_table(world: World, *, day: int, visits: Visits, events: Events) -> pl.DataFrame:
    """The day's events in order of time, as the columns of the landing files.

    Parameters
    ----------
    world
        Names the ids, regions and prices.
    day
        Days after the first day; part of the event and request ids.
    visits, events
        All of the day.
    """
    events = events[np.lexsort((np.arange(len(events)), events.second))]
    visit, count = events.visit, len(events)
    user = visits.user[visit]
    price = np.where(events.kind >= CART, world.items.price[events.item], np.nan)
    start = int(world.start.timestamp())
    return pl.DataFrame(
        {
            c.EVENT_ID: _numbered("e", day, np.arange(count)),
            USER_ID: _pick([*world.users.ids, None], np.where(visits.anonymous[visit], -1, user)),
            c.ITEM_ID: _pick(world.items.ids, events.item),
            c.EVENT_TYPE: _pick(TYPES, events.kind),
            c.EVENT_TIME: pl.from_epoch(pl.Series(events.second + start)).dt.strftime(_TIME),
            c.REQUEST_ID: _numbered("r", day, events.request),
            c.POSITION: _some(events.position),
            c.PROPENSITY: pl.Series(events.propensity).fill_nan(None).round_sig_figs(8),
            c.PRICE: pl.Series(price).fill_nan(None),
            c.QUANTITY: _some(events.quantity),
            c.REGION: _pick(world.settings.regions, world.users.region[user]),
            c.DEVICE: _pick(DEVICES, visits.device[visit]),
            c.SURFACE: _pick(SURFACES, events.surface),
            c.CONSENT: world.users.consent[user],
        }
    ).select(EVENT_COLUMNS)


def _pick(names: Sequence[str | None], numbers: Ints) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(numbers)


def _some(numbers: Ints) -> pl.Series:
    column = pl.Series("n", numbers)
    return column.to_frame().select(pl.when(pl.col("n") >= 0).then(pl.col("n")))["n"]


def _numbered(letter: str, day: int, numbers: Ints) -> pl.Series:
    """Ids such as e00290000042: letter, day, number in the day; null for negative numbers."""
    digits = pl.col("n").cast(pl.String).str.zfill(8)
    name = pl.when(pl.col("n") >= 0).then(pl.lit(f"{letter}{day:04d}") + digits)
    return pl.DataFrame({"n": numbers}).select(name.alias("id"))["id"]


class Landing:
    """Writes one file a day and holds back what lands later.

    Parameters
    ----------
    world
        Its settings give the shares, the format and the dates.
    folder
        Where the daily files go; it exists.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._late: dict[int, list[pl.DataFrame]] = {}
        self._twice: pl.DataFrame | None = None
        self.counts: dict[str, FileCount] = {}

    @property
    def in_flight(self) -> int:
        """Lines that were to land after the last file."""
        late = sum(len(part) for parts in self._late.values() for part in parts)
        return late + (0 if self._twice is None else len(self._twice))

    def land(self, day: int, table: pl.DataFrame) -> None:
        """Write the file of `day` from its events and what was held back for it."""
        settings = self._world.settings
        rng = stream(settings, DELIVERY, day)
        delay = np.where(
            rng.random(len(table)) < settings.late_share,
            rng.integers(1, settings.late_days + 1, len(table)),
            0,
        )
        for days in range(1, settings.late_days + 1):
            self._late.setdefault(day + days, []).append(table.filter(pl.Series(delay == days)))
        fresh = pl.concat([table.filter(pl.Series(delay == 0)), *self._late.pop(day, [])])
        fault = np.where(
            rng.random(len(fresh)) < settings.dirty_share,
            rng.integers(0, len(FAULTS), len(fresh)),
            -1,
        )
        again = (rng.random(len(fresh)) < settings.duplicate_share) & (fault < 0)
        tomorrow = again & (rng.random(len(fresh)) < 0.5)
        here = np.flatnonzero(again & ~tomorrow)
        before = fresh.clear() if self._twice is None else self._twice
        self._twice = fresh.filter(pl.Series(tomorrow))
        repeated = pl.concat([fresh[here], before])
        place = np.concatenate([here, np.zeros(len(before))])
        place += rng.random(len(place)) * (len(fresh) - place)  # after the line it repeats
        order = np.argsort(np.concatenate([np.arange(len(fresh)), place]), kind="stable")
        faults = np.concatenate([fault, np.full(len(repeated), -1)])[order]
        name = f"{settings.first_day + timedelta(days=day)}.{settings.format}"
        self._write(self._folder / name, pl.concat([fresh, repeated])[order], faults)
        clean = fresh.filter(pl.Series(fault < 0))
        late = int((fault[int((delay == 0).sum()) :] < 0).sum())
        self.counts[f"events/{name}"] = count_file(
            clean, late=late, duplicates=len(repeated), fault=fault
        )

    def _write(self, path: Path, table: pl.DataFrame, faults: Ints) -> None:
        buffer, json_lines = io.BytesIO(), path.suffix == ".jsonl"
        if json_lines:
            table.write_ndjson(buffer)
        else:
            table.write_csv(buffer)
        header = 0 if json_lines else 1
        lines = buffer.getvalue().split(b"\n")
        for row in np.flatnonzero(faults >= 0).tolist():
            lines[row + header] = spoil(
                lines[row + header],
                fault=FAULTS[faults[row]],
                columns=EVENT_COLUMNS,
                json_lines=json_lines,
            )
        write_whole(path, b"\n".join(lines))
