"""Shared fixtures: one Spark session for the run, the real data, and a fixed pseudonym key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e.sample import DAYS, SHOP, Shop, must

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).resolve().parent.parent
DATASETS = PROJECT.parent / "shared" / "datasets"

os.environ["RECSYS_BATCH_PSEUDONYM_KEY"] = "a key for the tests alone, 32 bytes or more"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what shares the Spark session; skip `realdata` tests where the data are absent."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("session")
    if DATASETS.is_dir():
        return
    skip = pytest.mark.skip(reason=f"real data are absent: no folder {DATASETS}")
    for item in items:
        if "realdata" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """The one session of the run, as the product makes it, with little memory."""
    from recsys_batch.config import SparkSettings
    from recsys_batch.lake.session import make_session

    session = make_session(
        SparkSettings(
            driver_memory="2g",
            shuffle_partitions=2,
            java_options="-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
            conf={
                "spark.sql.adaptive.enabled": "false",
            },
        ),
        app="tests",
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of the real data sets; use with the marker `realdata`."""
    return DATASETS


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
