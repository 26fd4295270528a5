"""Small shops and a reader of their files that shares no code with the writer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl

from recsys_batch.simulator import ShopSettings, shop_settings, simulate

CLEAN = {"dirty_share": 0.0, "duplicate_share": 0.0, "late_share": 0.0}
SMALL = {"users": 200, "items": 150, "days": 6}


def small(preset: str = "shop", **overrides: Any) -> ShopSettings:
    return shop_settings(preset, {**SMALL, **overrides})


def event_files(out: Path) -> list[Path]:
    return sorted((out / "landing" / "events").iterdir())


def rows(path: Path) -> list[list[str]] | list[dict[str, Any] | None]:
    """CSV: the fields of each line; JSON lines: each object, or None where it is broken."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as lines:
            return list(csv.reader(lines))
    return [_object(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _object(line: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found


def clean_events(settings: ShopSettings, out: Path) -> pl.DataFrame:
    """Events of a shop without dirt, with item, user and second as numbers."""
    simulate(settings, out=out)
    parts = [pl.read_csv(path, infer_schema_length=0) for path in event_files(out)]
    return pl.concat(parts).with_columns(
        pl.col("user_id").str.slice(1).cast(pl.Int64).alias("user"),
        pl.col("item_id").str.slice(1).cast(pl.Int64).alias("item"),
        pl.col("position").cast(pl.Int64),
        pl.col("propensity").cast(pl.Float64),
        pl.col("event_time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").alias("time"),
    )
