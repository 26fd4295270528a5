"""The feed of days, small: in another order it comes to the same tables, and says what it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.daily.feed import CONTENT, SOURCE, STAGES, feed, figures_of, flatness

pytestmark = [
    pytest.mark.spark,
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE.exists(), reason=f"{SOURCE} is not there"),
]


def test_days_in_another_order_end_in_the_same_tables(spark: SparkSession, tmp_path: Path) -> None:
    """The last of nine days by itself, against the last before half of the others."""
    files = sorted(SOURCE.glob("*.csv"))[:9]
    said: list[str] = []
    by_day = feed(spark, [files[:8], files[8:]], tmp_path / "a", say=said.append)
    turned = feed(spark, [[files[8], *files[:4]], files[4:8]], tmp_path / "b")
    assert [list(each) for each in by_day.seconds] == [["ingest"], list(STAGES)]
    assert len(said) == 2
    assert set(by_day.digests) == set(CONTENT)
    told = {each.name: each for each in figures_of(turned, by_day)}
    assert all(each.holds for each in told.values() if each.goal is not None)
    assert by_day.rows.landed == turned.rows.landed > 20_000
    lost = replace(turned, digests={**turned.digests, "events": "of other rows"})
    told = {each.name: each for each in figures_of(lost, by_day)}
    assert not told["events.digest_equals_bulk"].holds
    assert told["items.digest_equals_bulk"].holds


def test_flatness_is_of_the_last_thirty_to_those_behind_the_first() -> None:
    assert flatness([9.0] * 30 + [2.0] * 30 + [7.0] * 10 + [3.0] * 30) == 1.5
