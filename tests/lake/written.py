"""Files as a Spark write leaves them in a table's folder, before their commit."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_batch.lake.places import has_version, table_path
from recsys_batch.lake.store import create_table

SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("part", pa.string()),
        ("region", pa.string()),
        ("item_id", pa.string()),
        ("popularity", pa.float64()),
    ]
)


def write_files(home: Path, folder: str, *, run_id: str, items: list[str]) -> Path:
    """Popularity rows of a run in a folder of their own; the table is made where it is not."""
    path = table_path(home, "popularity")
    if not has_version(path):
        create_table(home, "popularity", SCHEMA)
    rows = {"region": [None] * len(items), "item_id": items, "popularity": [1.0] * len(items)}
    place = path / folder / f"run_id={quote(run_id, safe=' ')}" / "part=full"
    place.mkdir(parents=True)
    columns = pa.schema([field for field in SCHEMA if field.name in rows])
    pq.write_table(pa.table(rows, schema=columns), place / f"part-0-{folder}.parquet")
    return path
