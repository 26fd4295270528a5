"""Small tables without Spark: batches, runs, verdicts, models, metrics, decisions, publications.

They are Delta tables as all others; a commit of some rows costs milliseconds this way, and
commands that need no Spark read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_batch.lake.store import (
    create_table,
    has_version,
    predicate,
    refuse_half_written,
    table_path,
    unreadable,
    unwritable,
)
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
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    path = table_path(home, name)
    refuse_half_written(path)
    if not has_version(path):
        return []
    try:
        # Not `to_pyarrow_table`: its threads hold Python files, and a process that ends soon after
        # it aborts now and then ("terminate called without an active exception").
        reader = pa.RecordBatchReader.from_stream(DeltaTable(str(path)).scan())
        rows = reader.read_all().to_pylist()
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
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
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    table = TABLES[name]
    path = table_path(home, name)
    schema = pa.schema([(column, _KINDS[kind]) for column, kind, _ in table.columns])
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    if not has_version(path):
        create_table(home, name, schema)
    try:
        write_deltalake(
            str(path),
            data,
            mode="overwrite",
            predicate=predicate(owned) or None,
            partition_by=list(table.partition_by) or None,
        )
    except (DeltaError, OSError) as error:
        raise unwritable(path, error) from error
