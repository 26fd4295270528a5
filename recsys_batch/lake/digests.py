"""Order-free digests of tables: equal content has an equal name wherever it was computed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def frame_digest(frame: DataFrame) -> tuple[str, int]:
    """SHA-256 (hex) of a frame's rows whatever their order, and how many they are.

    Each row is hashed twice with 64 bits and different seeds, and the hashes are summed exactly;
    equal multisets of rows give equal sums. Names and nulls count: Spark's hash passes over nulls,
    so that a value which moves into an empty column beside it would not show. A guard against
    accidents, not against an attacker.
    """
    from pyspark.sql import functions as F

    names = sorted(frame.columns)
    columns = [F.col(name) for name in names]
    columns += [column.isNull() for column in columns]
    sums = frame.select(
        F.xxhash64(*columns).alias("a"), F.xxhash64(F.lit("second"), *columns).alias("b")
    ).agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum(F.col("a").cast("decimal(38,0)")).alias("a"),
        F.sum(F.col("b").cast("decimal(38,0)")).alias("b"),
    )
    row = sums.collect()[0]
    text = f"{names}:{row['rows']}:{row['a']}:{row['b']}"
    return hashlib.sha256(text.encode()).hexdigest(), int(row["rows"])


@cache
def code_version() -> str:
    """Digest (12 hex digits) of the package's and the jobs' source."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in (root, root.parent / "jobs"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(root.parent).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
