"""The solver on machines unlike this one, and blocks of rows."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.models.solver import sides

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import numpy as np
from scipy import sparse
from recsys_batch.models.als import fit_als
weights = sparse.random(60, 40, density=0.2, format="csr", dtype=np.float32, rng=1)
users, items = fit_als(
    weights, factors=20, regularization=1.0, alpha=5.0, iterations=8, seed=1, threads=1
)
np.save(sys.argv[1], users @ items.T)
"""


def scores(path: Path, **environment: str) -> np.ndarray:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return np.load(path)


@pytest.mark.slow
def test_a_plain_processor_without_a_cache_folder_gives_the_same_scores_to_a_thousandth(tmp_path):
    here = scores(tmp_path / "here.npy")
    plain = {"NUMBA_CPU_NAME": "generic", "XDG_CACHE_HOME": "/dev/null/none"}
    np.testing.assert_allclose(scores(tmp_path / "plain.npy", **plain), here, atol=2e-3)


@given(st.lists(st.integers(0, 100_000), max_size=50))
def test_blocks_hold_every_row_once_and_no_more_work_than_one_row_or_their_limit(counts):
    pointers = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    blocks = list(sides._blocks(pointers))
    assert [first for first, _ in blocks] + [len(counts)] == [0, *(last for _, last in blocks)]
    for (_, last), (first, _) in pairwise(blocks):
        assert last == first
    for first, last in blocks:
        work = pointers[last] - pointers[first] + sides._ROW * (last - first)
        assert last == first + 1 or work <= sides._BLOCK
