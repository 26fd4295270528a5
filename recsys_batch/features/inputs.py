"""What a run is made of: all that it sees of the lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.features.consent import ACTED, refusals, refusals_and_acts
from recsys_batch.features.history import known_rows, visible_events
from recsys_batch.lake.digests import digest_of, row_sums
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Inputs:
    """What a run that ends at `until` sees of the batches up to `horizon`; read when asked for."""

    lake: Lake
    until: dt.datetime
    horizon: int

    @classmethod
    def before(cls, lake: Lake, day: dt.date, *, horizon: int) -> Inputs:
        """What is seen of the days before one."""
        return cls(lake, dt.datetime.combine(day, dt.time(), dt.UTC), horizon)

    @cached_property
    def events(self) -> DataFrame:
        """Those before the day's end."""
        return visible_events(self.lake.read("events"), until=self.until, horizon=self.horizon)

    @cached_property
    def items(self) -> DataFrame:
        """What the catalogue stated to hold from before the day's end on."""
        return known_rows(self.lake.read("catalogue"), until=self.until, horizon=self.horizon)

    @cached_property
    def profiles(self) -> DataFrame:
        """What was stated of users to hold from before the day's end on."""
        return known_rows(self.lake.read("profiles"), until=self.until, horizon=self.horizon)

    @cached_property
    def refused(self) -> DataFrame:
        """Who refuses what by all that was stated up to the horizon, of whatever time."""
        return refusals(self.lake.read("consents"), horizon=self.horizon)

    def heeded(self) -> str:
        """Digest of the refusals that count: those of users who have an event.

        So a refusal by a user who is not there yet gives no run another name. Who refused in an
        event has one; the events are looked through only for those who refused elsewhere.
        """
        from pyspark.sql import functions as F

        consents, names = self.lake.read("consents"), (c.USER_KEY, c.PURPOSE)
        refused = refusals_and_acts(consents, until=self.until, horizon=self.horizon)
        sums = row_sums(names)
        found = refused.groupBy(ACTED).agg(*sums).collect()
        there = [row for row in found if row[ACTED]]
        if len(there) < len(found):
            others = refused.where(~F.col(ACTED)).join(self.events, c.USER_KEY, how="left_semi")
            there += others.agg(*sums).collect()
        return digest_of(names, there)[0]
