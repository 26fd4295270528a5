"""What a run is made of: all that it sees of the lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.features.consent import refusals
from recsys_batch.features.history import known_rows, visible_events
from recsys_batch.lake.digests import digest_of, frame_digest
from recsys_batch.lake.store import Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Inputs:
    """Tables of the lake as far as a run sees them.

    Attributes
    ----------
    events
        Those before the day's end.
    items, profiles
        What was stated to hold from before the day's end on.
    refused
        Who refuses what by all that was stated up to the horizon, of whatever time
        (`recsys_batch.features.consent.refusals`).
    """

    events: DataFrame
    items: DataFrame
    profiles: DataFrame
    refused: DataFrame

    def heeded(self) -> str:
        """Digest of the refusals that count: those of users who have an event.

        So a refusal by a user who is not there yet gives no run another name.
        """
        if self.refused.isEmpty():  # then nobody's events are looked through
            return digest_of(self.refused.columns, [])[0]
        return frame_digest(self.refused.join(self.events, c.USER_KEY, how="left_semi"))[0]


def run_inputs(lake: Lake, *, until: dt.datetime, horizon: int) -> Inputs:
    """What a run that ends at `until` sees of the batches up to `horizon`."""
    return Inputs(
        events=visible_events(lake.read("events"), until=until, horizon=horizon),
        items=known_rows(lake.read("catalogue"), until=until, horizon=horizon),
        profiles=known_rows(lake.read("profiles"), until=until, horizon=horizon),
        refused=refusals(lake.read("consents"), horizon=horizon),
    )
