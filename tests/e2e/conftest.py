"""One small shop for all of these tests: two days of it, run as processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.sample import DAYS, SHOP, Shop, must


@pytest.fixture(scope="session")
def landing(tmp_path_factory) -> Path:
    """Landing files of a simulated shop."""
    out = tmp_path_factory.mktemp("shop")
    must("recsys-batch", "simulate", *SHOP, "--out", out)
    return out / "landing"


@pytest.fixture(scope="session")
def shop(landing, tmp_path_factory) -> Shop:
    """The shop after two days; the second is live."""
    made = Shop(landing, tmp_path_factory.mktemp("lakes") / "lake")
    for day in DAYS:
        made.run(day)
    return made
