"""The kernel on machines unlike this one: no vector extensions, no folder to cache code in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import numpy as np
from scipy import sparse
from recsys_batch.topn import jit, reference, top_n
rng = np.random.default_rng(0)
users = rng.normal(size=(30, 20)).astype("f4")
items = rng.normal(size=(2500, 20)).astype("f4")
seen = sparse.random(30, 2500, density=0.05, format="csr", rng=rng)
rows, scores = top_n(users, items, n=10, exclude=seen)
expected = reference.top_n(users, items, n=10, exclude=seen)
assert np.array_equal(rows, expected[0]) and scores.tobytes() == expected[1].tobytes()
print(jit.LANES, jit.HAS_INT8, jit._CACHE_FOLDER)
"""


def run(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_plain_processor_without_a_cache_folder_gives_the_same_lists() -> None:
    assert run(NUMBA_CPU_NAME="generic", XDG_CACHE_HOME="/dev/null/none") == "4 False None"


@pytest.mark.slow
def test_avx2_gives_the_same_lists(tmp_path: Path) -> None:
    features = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma"}
    printed = run(**features, XDG_CACHE_HOME=str(tmp_path))
    assert printed.startswith("8 False " + str(tmp_path))
    assert list(tmp_path.rglob("*.nbi")), "compiled code was not cached"
