"""Landing folders, data sets and lakes for the tests of ingest."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from recsys_batch.config import Dataset
from recsys_batch.ingest.batch import sources, take
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.store import Lake

KEY = PseudonymKey(b"a key for the tests of ingest", "the tests")
NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)


def shop(*, items: dict[str, Any] | None = None, **given: Any) -> Dataset:
    """A data set of CSV purchases with the columns ts, u, i and q, but for what is given."""
    zone = given.pop("time_zone", "UTC")
    events: dict[str, Any] = {
        "pattern": "*",
        "types": [{"type": "purchase"}],
        "time": "ts",
        "fields": {"user_id": "u", "item_id": "i", "quantity": "q"},
    }
    return Dataset.model_validate(
        {
            "name": "shop",
            "time_zone": zone,
            "events": {**events, **given},
            "items": items,
            "weights": {"purchase": 1.0},
        }
    )


@dataclass
class Shop:
    """A landing folder, its lake, and what was taken."""

    spark: SparkSession
    folder: Path
    dataset: Dataset = field(default_factory=shop)

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

    def take(self, files: dict[str, str | bytes] | None = None) -> dict[str, Conservation]:
        self.land(files or {})
        return {
            source.name: take(
                self.lake,
                source,
                dataset=self.dataset,
                landing=self.landing,
                key=KEY,
                now=NOW,
            )
            for source in sources(self.dataset)
        }

    def rows(self, table: str, *names: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row) for row in self.lake.read(table).select(*names).collect())

    def digests(self, *tables: str) -> list[tuple[str, int]]:
        return [frame_digest(self.lake.read(table)) for table in tables]
