"""The benchmark of ingest runs both contenders on the same files and judges its goal."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import load_settings
from recsys_batch.simulator import shop_settings, simulate


@pytest.mark.spark
def test_a_small_run_gives_its_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2])
    from benchmarks.speed.ingest import measure

    simulate(shop_settings("shop", {"users": 100, "days": 2, "seed": 3}), out=tmp_path)
    landing, dataset = tmp_path / "landing", load_settings("sample").dataset
    lines = [path.read_text().count("\n") - 1 for path in (landing / "events").iterdir()]
    figures, records = measure(spark, dataset, landing, 1, tmp_path)
    assert records == sum(lines)
    assert [each.goal for each in figures] == [None, None, 2.0, 2.0]
    assert all(each.holds == (each.value <= 2.0) for each in figures[2:])
    assert all(each.value > 0 for each in figures)
