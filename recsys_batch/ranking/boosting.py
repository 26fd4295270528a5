"""LightGBM, imported without what it only looks for to wrap it."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_WRAPPED = ("sklearn", "pandas", "dask")


def lightgbm() -> Any:
    """LightGBM; where it is imported here, it knows no scikit-learn, pandas or Dask.

    It would import them all, which takes each process that ranks most of a second, for estimators
    and frames that nobody here gives it. What has been imported already it may find.
    """
    if "lightgbm" in sys.modules:
        return sys.modules["lightgbm"]
    hidden: dict[str, Any] = {name: None for name in _WRAPPED if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        return importlib.import_module("lightgbm")
    finally:
        for name in hidden:
            del sys.modules[name]
