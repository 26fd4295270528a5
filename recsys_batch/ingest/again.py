"""Which hashes come more than once. Light to import, since Spark's Python workers do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

HASH = "_hash"


def come_again(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Of one column of hashes (int64, no nulls) those that it holds more than once, each once."""
    parts = [batch.column(0).to_numpy() for batch in batches]
    if not parts:
        return
    hashes = np.sort(np.concatenate(parts))
    found = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    # Not `pa.array`, which imports pandas: a second of every new worker.
    column = pa.Array.from_buffers(pa.int64(), len(found), [None, pa.py_buffer(found)])
    yield pa.RecordBatch.from_arrays([column], [HASH])
