"""Tables as Arrow, without Spark: read whole partitions, write in one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from recsys_batch import columns as c
from recsys_batch.lake.places import (
    has_version,
    logged_files,
    open_table,
    refuse_half_written,
    storage_options,
    table_path,
    unreadable,
    unwritable,
)
from recsys_batch.lake.store import create_table, predicate
from recsys_batch.lake.tables import TABLES


def read_table(
    home: Path, name: str, columns: Sequence[str] | None = None, **equal: object
) -> pa.Table:
    """Rows of a table whose columns equal the values given, in any order.

    Raises
    ------
    LakeError
        The folder holds no readable Delta table.
    """
    from deltalake.exceptions import DeltaError

    place = table_path(home, name)
    chosen = None if columns is None else list(columns)
    try:
        # Not `to_pyarrow_table`: its threads hold Python files, and a process that ends soon after
        # it aborts now and then ("terminate called without an active exception").
        rows = open_table(place).scan(columns=chosen, predicate=predicate(equal) or None)
        found = pa.RecordBatchReader.from_stream(rows).read_all()
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise unreadable(place, error) from error
    plain = [(field.name, _plain(field.type)) for field in found.schema]
    return found.cast(pa.schema(plain))


def rows_by_batch(home: Path, name: str) -> dict[int, int]:
    """Rows of each batch in a table that is partitioned by it, as the table's log tells them.

    Raises
    ------
    LakeError
        The log cannot be read.
    """
    place = table_path(home, name)
    refuse_half_written(place)
    if not has_version(place):
        return {}
    found = Counter[int]()
    for file in logged_files(place):
        found[int(file[f"partition.{c.BATCH_SEQ}"])] += file["num_records"]
    return dict(found)


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without views, which few functions of Arrow take."""
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return kind


def replace_table(home: Path, name: str, rows: pa.Table, **owned: object) -> None:
    """Write rows in place of those whose columns equal the values of `owned`, in one commit.

    Without `owned`, in place of all.

    Raises
    ------
    LakeError
        The table cannot be written.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    place = table_path(home, name)
    if not has_version(place):
        create_table(home, name, rows.schema)
    try:
        write_deltalake(
            str(place),
            rows,
            mode="overwrite",
            predicate=predicate(owned) or None,
            partition_by=list(TABLES[name].partition_by) or None,
            storage_options=storage_options(place),
        )
    except (DeltaError, OSError) as error:
        raise unwritable(place, error) from error


def write_batches(folder: Path, rows: pa.RecordBatchReader) -> None:
    """Write a stream of batches as a Delta table of its own, in place of what it held.

    The rows come in one commit, so that readers see all of them or none; a new table is there,
    empty, from the start. Memory holds a batch and the file in the making, which ends at some
    100 MB, however many rows there are.

    Parameters
    ----------
    folder
        Of the table, which need be none of the lake's.
    rows
        Such as `recsys_batch.topn.list_batches` gives.

    Raises
    ------
    LakeError
        The table cannot be written, or a batch could not be made.
    """
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import DeltaError

    refuse_half_written(folder)
    no_keys_in_the_log = {"delta.dataSkippingNumIndexedCols": "0"}
    try:
        if not has_version(folder):
            DeltaTable.create(str(folder), rows.schema, configuration=no_keys_in_the_log)
        write_deltalake(str(folder), rows, mode="overwrite", schema_mode="overwrite")
    except Exception as error:
        # Where there is one processor, deltalake tells of a broken stream by a bare Exception.
        if isinstance(error, DeltaError | OSError) or type(error) is Exception:
            raise unwritable(folder, error) from error
        raise
