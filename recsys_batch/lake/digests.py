"""Order-free digests of tables: equal content has an equal name wherever it was computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

ROWS, FIRST, SECOND = "rows", "first", "second"


def frame_digest(frame: DataFrame) -> tuple[str, int]:
    """SHA-256 (hex) of a frame's rows whatever their order, and how many they are.

    Each row is hashed twice with 64 bits and different seeds, and the hashes are summed exactly;
    equal multisets of rows give equal sums. Names and nulls count: Spark's hash passes over nulls,
    so that a value which moves into an empty column beside it would not show. A guard against
    accidents, not against an attacker.
    """
    return digest_of(frame.columns, frame.agg(*row_sums(frame.columns)).collect())


def row_sums(names: Sequence[str]) -> tuple[Column, ...]:
    """Aggregates of rows: their number and the two sums of their hashes, as decimal text."""
    from pyspark.sql import functions as F

    columns = [F.col(name) for name in sorted(names)]
    columns += [column.isNull() for column in columns]

    def total(*hashed: Column) -> Column:
        return F.sum(F.xxhash64(*hashed).cast("decimal(38,0)")).cast("string")

    return (
        F.count(F.lit(1)).alias(ROWS),
        total(*columns).alias(FIRST),
        total(F.lit("second"), *columns).alias(SECOND),
    )


def digest_of(names: Iterable[str], parts: Iterable[Mapping[str, Any] | Row]) -> tuple[str, int]:
    """The digest of rows whose `row_sums` are known in parts, and how many they are."""
    rows, first, second = 0, 0, 0
    for part in parts:
        rows += part[ROWS]
        first, second = first + int(part[FIRST] or 0), second + int(part[SECOND] or 0)
    text = f"{sorted(names)}:{rows}:{first}:{second}"
    return hashlib.sha256(text.encode()).hexdigest(), rows


@cache
def code_version() -> str:
    """Digest (12 hex digits) of the package's and the jobs' source, contracts included."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in (root, root.parent / "jobs"):
        for path in sorted((*folder.rglob("*.py"), *folder.rglob("*.yaml"))):
            digest.update(path.relative_to(root.parent).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
