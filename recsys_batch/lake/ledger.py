"""Small tables without Spark: batches, runs, verdicts, models, metrics, decisions, publications.

They are Delta tables as all others; a commit of some rows costs milliseconds this way, and
commands that need no Spark read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_batch.lake.arrow import read_table, replace_table
from recsys_batch.lake.store import has_version, refuse_half_written, table_path
from recsys_batch.lake.tables import TABLES

_KINDS = {
    "STRING": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "ARRAY<STRING>": pa.list_(pa.string()),
}


def read_rows(home: Path, name: str, **equal: object) -> list[dict[str, Any]]:
    """Rows of a small table whose columns equal the values given; none where it is new.

    Raises
    ------
    LakeError
        The folder holds no readable Delta table.
    """
    if not has_version(table_path(home, name)):
        refuse_half_written(table_path(home, name))
        return []
    rows = read_table(home, name).to_pylist()
    wanted = equal.items()
    return [row for row in rows if all(row[column] == value for column, value in wanted)]


def replace_rows(home: Path, name: str, rows: Iterable[Mapping[str, Any]], **owned: object) -> None:
    """Write rows in place of those whose columns equal the values of `owned`, in one commit.

    Without `owned`, in place of all.

    Raises
    ------
    LakeError
        The table cannot be written.
    """
    schema = pa.schema([(column, _KINDS[kind]) for column, kind, _ in TABLES[name].columns])
    replace_table(
        home, name, pa.Table.from_pylist([dict(row) for row in rows], schema=schema), **owned
    )
