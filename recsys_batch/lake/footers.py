"""What the footer of a Parquet file says. Light to import, since Spark's Python workers do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any


def statistics(file: Path | IO[bytes], names: Sequence[str]) -> dict[str, Any]:
    """Number of rows and, of the columns named, least and greatest value, as Delta's log has them.

    Parameters
    ----------
    names
        Columns that files are found by, `recsys_batch.lake.tables.Table.skip_by`.
    """
    import pyarrow.parquet as pq

    footer = pq.read_metadata(file)
    found: dict[str, Any] = {"numRecords": footer.num_rows}
    for name in names:
        place = footer.schema.names.index(name)
        groups = [
            footer.row_group(n).column(place).statistics for n in range(footer.num_row_groups)
        ]
        if groups and all(each is not None and each.has_min_max for each in groups):
            found.setdefault("minValues", {})[name] = min(each.min for each in groups)
            found.setdefault("maxValues", {})[name] = max(each.max for each in groups)
            found.setdefault("nullCount", {})[name] = sum(each.null_count for each in groups)
    return found
