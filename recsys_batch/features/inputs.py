"""What a run is made of: all that it sees of the lake, and the digest of it that names the run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.features.consent import refusals
from recsys_batch.features.history import known_rows, visible_events
from recsys_batch.ingest.pseudonyms import content_digest
from recsys_batch.lake.digests import frame_digest
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
    consents
        All that was stated by the horizon, of whatever time.
    refused
        Who refuses what (`recsys_batch.features.consent.refusals`).
    """

    events: DataFrame
    items: DataFrame
    profiles: DataFrame
    consents: DataFrame
    refused: DataFrame

    def by_source(self, newest: DataFrame) -> dict[str, DataFrame]:
        """The rows of each source that may be its newest; `newest` are the latest day's events."""
        from pyspark.sql import functions as F

        stated = self.consents.where(F.col(c.SOURCE) == "consents")
        return {
            "items": self.items,
            "profiles": self.profiles,
            "consents": stated,
            "events": newest,
        }

    def digest(self, events_digest: str) -> str:
        """Digest of the events' digest, of items and profiles, and of the refusals that count.

        A refusal counts where its user has an event, so that one of a user who is not there yet
        gives no run another name.
        """
        heeded = self.refused.join(self.events, c.USER_KEY, how="left_semi")
        others = (self.items, self.profiles, heeded)
        return content_digest(
            events_digest, *(frame_digest(each.drop(c.BATCH_SEQ))[0] for each in others)
        )


def run_inputs(lake: Lake, *, until: dt.datetime, horizon: int) -> Inputs:
    """What a run that ends at `until` sees of the batches up to `horizon`."""
    from pyspark.sql import functions as F

    consents = lake.read("consents").where(F.col(c.BATCH_SEQ) <= horizon)
    return Inputs(
        events=visible_events(lake.read("events"), until=until, horizon=horizon),
        items=known_rows(lake.read("catalogue"), until=until, horizon=horizon),
        profiles=known_rows(lake.read("profiles"), until=until, horizon=horizon),
        consents=consents,
        refused=refusals(consents, horizon=horizon),
    )
