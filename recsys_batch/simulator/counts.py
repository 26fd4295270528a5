"""What each landed file holds, line for line: the numbers that ingest must arrive at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from recsys_batch import columns as c
from recsys_batch.simulator.dirt import FAULTS
from recsys_batch.simulator.visits import TYPES
from recsys_batch.simulator.world import USER_ID, Ints


@dataclass
class FileCount:
    """What one landed file holds; ``total = clean + duplicates + dirty``.

    Attributes
    ----------
    total
        Lines, the header left aside.
    clean
        Valid lines of events that have not landed before.
    late, anonymous, no_consent
        How many of the clean lines are so.
    types
        Clean lines by event type.
    duplicates
        Lines that landed before, in this file or the previous one.
    dirty
        Spoiled lines by fault (`recsys_batch.simulator.dirt.FAULTS`).
    """

    total: int = 0
    clean: int = 0
    late: int = 0
    anonymous: int = 0
    no_consent: int = 0
    types: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    dirty: dict[str, int] = field(default_factory=dict)


def count_file(clean: pl.DataFrame, *, late: int, duplicates: int, fault: Ints) -> FileCount:
    """Count a file: clean lines, late ones among them, repeats, faults of all lines (-1: none)."""
    dirty = np.bincount(fault[fault >= 0], minlength=len(FAULTS)).tolist()
    types = dict(clean[c.EVENT_TYPE].value_counts().iter_rows())
    return FileCount(
        total=len(fault) + duplicates,
        clean=len(clean),
        late=late,
        anonymous=clean[USER_ID].null_count(),
        no_consent=int((~clean[c.CONSENT]).sum()),
        types={each: types.get(each, 0) for each in TYPES},
        duplicates=duplicates,
        dirty=dict(zip(FAULTS, dirty, strict=True)),
    )


def total_counts(counts: dict[str, FileCount]) -> FileCount:
    """The sum of all files' counts."""
    result: dict[str, Any] = {}
    for name, empty in vars(FileCount()).items():
        parts = [getattr(each, name) for each in counts.values()]
        if isinstance(empty, dict):
            result[name] = {key: sum(part[key] for part in parts) for key in parts[0]}
        else:
            result[name] = sum(parts)
    return FileCount(**result)
