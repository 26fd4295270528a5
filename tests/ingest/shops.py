"""Landing folders, data sets and lakes for the tests of ingest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recsys_batch.config import Dataset
from recsys_batch.ingest.batch import sources, take
from recsys_batch.ingest.conservation import Conservation, standing
from recsys_batch.ingest.objects import S3Folder
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.ingest.replay import replay
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.store import Lake

KEY = PseudonymKey(b"a key for the tests of ingest", "the tests")
NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)


def shop(
    *,
    items: dict[str, Any] | None = None,
    profiles: dict[str, Any] | None = None,
    consents: dict[str, Any] | None = None,
    **given: Any,
) -> Dataset:
    """A data set of CSV purchases with the columns ts, u, i and q, but for what is given."""
    whole = {
        name: given.pop(name)
        for name in ("time_zone", "limits", "freshness", "max_future_hours")
        if name in given
    }
    events: dict[str, Any] = {
        "pattern": "*",
        "types": [{"type": "purchase"}],
        "time": "ts",
        "fields": {"user_id": "u", "item_id": "i", "quantity": "q"},
    }
    return Dataset.model_validate(
        {
            "name": "shop",
            "events": {**events, **given},
            "items": items,
            "profiles": profiles,
            "consents": consents,
            "weights": {"purchase": 1.0},
            **whole,
        }
    )


@dataclass
class Shop:
    """A landing folder, its lake, and what was taken."""

    spark: SparkSession
    folder: Path
    dataset: Dataset = field(default_factory=shop)
    key: PseudonymKey = KEY
    place: S3Folder | None = None  # where it lands, if not on the disk

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.folder / "lake" / "shop")

    def land(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def take(
        self, files: dict[str, str | bytes] | None = None, *, now: dt.datetime = NOW
    ) -> dict[str, Conservation]:
        self.land(files or {})
        return {
            source.name: take(
                self.lake,
                source,
                dataset=self.dataset,
                landing=self.place or self.landing,
                key=self.key,
                now=now,
            )
            for source in sources(self.dataset)
        }

    def replay(self, *reasons: str, now: dt.datetime = NOW) -> dict[str, Conservation]:
        return {
            source.name: replay(
                self.lake, source, dataset=self.dataset, key=self.key, now=now, reasons=reasons
            )
            for source in sources(self.dataset)
        }

    def standing(self) -> dict[str, tuple[int, int, int, int]]:
        """Landed, accepted, quarantined and duplicate lines of each file after all batches."""
        found = standing(read_rows(self.lake.home, "batches", status="complete"))
        return {
            file: (each.landed, each.accepted, each.quarantined, each.duplicate)
            for (_, file), each in found.items()
        }

    def rows(self, table: str, *names: str) -> list[tuple[Any, ...]]:
        found = (tuple(row) for row in self.lake.read(table).select(*names).collect())
        return sorted(found, key=lambda row: [(each is None, each or 0) for each in row])

    def digests(self, *tables: str) -> list[tuple[str, int]]:
        return [frame_digest(self.lake.read(table)) for table in tables]
