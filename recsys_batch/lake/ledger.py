"""Small tables without Spark: batches, runs, verdicts, models, metrics, decisions, publications.

They are Delta tables as all others; a commit of some rows costs milliseconds this way, and
commands that need no Spark read them. A table without partitions is one file, written anew by each
commit: a file a commit would make every reading slower, day by day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsys_batch.lake.arrow import read_table, replace_table
from recsys_batch.lake.places import has_version, refuse_half_written, table_path
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
    place, folders = table_path(home, name), TABLES[name].partition_by
    if not has_version(place):
        refuse_half_written(place)
        return []
    chosen = {column: value for column, value in equal.items() if column in folders}
    rows = read_table(home, name, None, **chosen).to_pylist()
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
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    if owned and not TABLES[name].partition_by and has_version(table_path(home, name)):
        kept = _without(read_table(home, name).cast(schema), owned)
        data, owned = pa.concat_tables([kept, data]), {}
    replace_table(home, name, data, **owned)


def _without(rows: pa.Table, owned: Mapping[str, object]) -> pa.Table:
    """The rows of which a column does not equal its value."""
    import pyarrow.compute as pc

    same = pa.array([True] * len(rows), pa.bool_())
    for column, value in owned.items():
        equal = pc.equal(rows[column], pa.scalar(value, rows.schema.field(column).type))
        same = pc.and_(same, pc.fill_null(equal, False))
    return rows.filter(pc.invert(same))
