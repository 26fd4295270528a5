"""How metrics are named, and written as rows of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.config import EvaluationSettings
from recsys_batch.evaluation.intervals import Interval

_NAMES = {
    "ndcg": "NDCG",
    "map": "MAP",
    "mrr": "MRR",
    "hit_rate": "hit rate",
    "cold_users": "cold users",
    "ece": "calibration error",
}
_MEASURED = (
    pa.field(c.METRIC, pa.string(), nullable=False),
    pa.field(c.VALUE, pa.float64()),
    pa.field(c.LOW, pa.float64()),
    pa.field(c.HIGH, pa.float64()),
    pa.field(c.USERS, pa.int64(), nullable=False),
)

METRICS_SCHEMA = pa.schema([pa.field(c.MODEL, pa.string(), nullable=False), *_MEASURED])
SEGMENTS_SCHEMA = pa.schema(
    [
        pa.field(c.DIMENSION, pa.string(), nullable=False),
        pa.field(c.SEGMENT, pa.string(), nullable=False),
        *_MEASURED,
    ]
)


def metric_key(name: str, *, settings: EvaluationSettings) -> str:
    """Return a metric's name with its depth, such as ``ndcg@10`` or ``recall@100``."""
    if name in ("cold_users", "ece"):
        return name
    return f"{name}@{settings.recall_k if name == 'recall' else settings.k}"


def metric_label(key: str) -> str:
    """Return the name of a metric as people write it: ``NDCG@10`` for ``ndcg@10``."""
    name, at, depth = key.partition("@")
    return f"{_NAMES.get(name, name)}{at}{depth}"


def metric_row(
    name: str, interval: Interval, *, users: int, settings: EvaluationSettings
) -> dict[str, Any]:
    """Return metric, value, low, high and users of one row, NaN as None."""
    return {
        c.METRIC: metric_key(name, settings=settings),
        c.VALUE: number(interval.value),
        c.LOW: number(interval.low),
        c.HIGH: number(interval.high),
        c.USERS: users,
    }


def number(value: float) -> float | None:
    """Return None for NaN and infinities, which tables and JSON have no word for."""
    return float(value) if np.isfinite(value) else None
