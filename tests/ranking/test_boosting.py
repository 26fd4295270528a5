"""LightGBM without what it would wrap."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import numpy as np
from recsys_batch.ranking.boosting import lightgbm
library = lightgbm()
assert library is lightgbm()
print("sklearn" in sys.modules, "pandas" in sys.modules)
data = library.Dataset(np.arange(100.0)[:, None], label=np.arange(100) >= 50)
trees = library.train({"verbose": -1, "objective": "binary"}, data, num_boost_round=2)
found = library.Booster(model_str=trees.model_to_string()).predict(np.array([[10.0], [90.0]]))
print(found[0] < found[1])
import pandas, sklearn.isotonic
print("imported")
"""


def test_trees_are_grown_and_read_without_what_would_wrap_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False", "True", "imported"]
