"""Ten million rows of lists, and of hold-out, within a stated cap."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

CAP_MB = 600  # above what the inputs and imports hold; per-user values alone are 80 MB a million


@pytest.mark.slow
@pytest.mark.parametrize(("users", "width"), [(100_000, 100), (1_000_000, 10)])
def test_ten_million_rows(users: int, width: int) -> None:
    """In a process of its own, whose peak is nobody else's."""
    script = textwrap.dedent(
        f"""
        import re
        from pathlib import Path
        import numpy as np
        import psutil
        from scipy import sparse
        from recsys_batch.config import EvaluationSettings
        from recsys_batch.evaluation.report import quality_rows
        from recsys_batch.evaluation.scores import evaluate

        users, width, n_items = {users}, {width}, 50_000
        rng = np.random.default_rng(0)
        start = rng.integers(0, n_items, size=(users, 1), dtype=np.int32)
        lists = (start + np.arange(width, dtype=np.int32) * 37) % n_items  # distinct in a list
        wanted = rng.integers(0, n_items, size=(users, width), dtype=np.int32)
        wanted[:, 0] = lists[:, 0]
        truth = sparse.csr_array(
            (np.ones(users * width, dtype=np.int8), wanted.ravel(),
             np.arange(users + 1, dtype=np.int32) * width), shape=(users, n_items))
        del wanted, start
        popularity = np.arange(1, n_items + 1)
        before = psutil.Process().memory_info().rss
        scores = evaluate(
            lists, truth, settings=EvaluationSettings(resamples=100), n_items=n_items,
            item_popularity=popularity, item_categories=popularity % 20)
        quality_rows({{"lists": scores, "popularity": scores}})
        assert scores.users == users and scores.means["hit_rate"].value == 1.0
        # Not getrusage: its peak is inherited from the process that forked this one.
        peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
        print((peak - before) // 2**20)
        """
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < CAP_MB, ran.stdout
