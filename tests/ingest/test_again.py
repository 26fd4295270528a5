"""Hashes that come again, by counting them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.ingest.again import come_again


@given(st.lists(st.lists(st.integers(-(2**63), -(2**63) + 5) | st.integers(0, 5))))
def test_what_comes_again_is_told_once(parts: list[list[int]]) -> None:
    batches = [
        pa.RecordBatch.from_arrays([pa.array(np.array(part, np.int64))], ["_hash"])
        for part in parts
    ]
    found = [each for made in come_again(iter(batches)) for each in made.column(0).to_pylist()]
    counts = Counter(each for part in parts for each in part)
    assert found == sorted(each for each, times in counts.items() if times > 1)
