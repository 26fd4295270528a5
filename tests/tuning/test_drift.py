"""When a log counts as changed: by hand, by chance alone, and up to which day it then looks."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recsys_batch.tuning.drift import FACETS, Drift, first_drift, stability_index

FIRST = dt.date(2026, 3, 1)


def counts(*rows: tuple[int, str, int], facet: str = "region") -> pa.Table:
    """Rows of day, value and events; the other facets are null."""
    columns: dict[str, Any] = {
        "event_date": pa.array([FIRST + dt.timedelta(day) for day, _, _ in rows], pa.date32()),
        **{name: pa.nulls(len(rows), pa.string()) for name in FACETS},
        "events": pa.array([events for *_, events in rows], pa.int64()),
    }
    columns[facet] = pa.array([value for _, value, _ in rows], pa.string())
    return pa.table(columns)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(number)


def test_the_index_by_hand() -> None:
    """Shares of 1/2 and 1/4, but for the half that every bin is raised by, one more of them."""
    before, after = np.array([5_000_000, 5_000_000]), np.array([2_500_000, 7_500_000])
    wanted = -0.25 * math.log(0.5) + 0.25 * math.log(1.5)
    assert stability_index(before, after) == pytest.approx(wanted, abs=1e-5)
    assert stability_index(before, before) == 0


def test_rare_values_are_counted_as_one() -> None:
    rare = np.ones(50, dtype=np.int64)
    before = np.concatenate([[10_000], rare, 0 * rare])
    after = np.concatenate([[10_000], 0 * rare, rare])
    assert stability_index(before, after) == pytest.approx(0, abs=1e-12)


def test_chance_alone_is_no_drift() -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(20))
    found = [
        stability_index(rng.multinomial(500, shares), rng.multinomial(500, shares))
        for _ in range(200)
    ]
    assert max(found) < 0.2


@pytest.mark.parametrize("facet", FACETS)
def test_a_change_shows_once_it_fills_enough_of_a_week(facet: str) -> None:
    """All events move from day 20 on; by day 22 two of the week's seven days tell."""
    rows = [(number, "a" if number < 20 else "b", 200) for number in range(30)]
    found = first_drift(counts(*rows, facet=facet), day(14), day(30), limit=0.2)
    assert found is not None
    assert (found.day, found.facet) == (day(21), facet)
    assert first_drift(counts(*rows, facet=facet), day(14), day(20), limit=0.2) is None
    later = first_drift(counts(*rows, facet=facet), day(14), day(30), limit=3.0)
    assert later is not None
    assert later.day > found.day


def test_few_events_tell_nothing() -> None:
    rows = [(number, "a" if number < 20 else "b", 70) for number in range(30)]
    assert first_drift(counts(*rows), day(14), day(30), limit=0.2) is None


def test_a_value_that_is_missing_is_a_value() -> None:
    rows = [(number, "a" if number < 20 else None, 200) for number in range(30)]
    assert isinstance(first_drift(counts(*rows), day(14), day(30), limit=0.2), Drift)
