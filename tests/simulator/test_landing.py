from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys_batch.simulator import Simulation, simulate
from recsys_batch.simulator.dirt import FAULTS

from .samples import event_files, rows, small

DIRTY = {"dirty_share": 0.05, "duplicate_share": 0.05, "late_share": 0.05}
TYPES = {"impression", "view", "add_to_cart", "purchase"}


def _fault(row: dict[str, Any] | None, day: date) -> str | None:
    """What is wrong with a row, told from the row alone."""
    if row is None:
        return "broken_line"
    if not row["item_id"]:
        return "missing_item"
    if not row["event_time"].startswith("20"):
        return "bad_time"
    if row["event_type"] not in TYPES:
        return "unknown_type"
    if row["quantity"] not in (None, "") and float(row["quantity"]) < 0:
        return "negative_quantity"
    if row["price"] == "twelve":
        return "bad_price"
    return "future_time" if row["event_time"][:10] > (day + timedelta(days=1)).isoformat() else None


def _read(path: Path) -> list[dict[str, Any] | None]:
    found = rows(path)
    if path.suffix == ".jsonl":
        return found  # type: ignore[return-value]
    header, *lines = found
    return [
        dict(zip(header, line, strict=True)) if len(line) == len(header) else None  # type: ignore[arg-type]
        for line in lines
    ]


@pytest.fixture(scope="module", params=["csv", "jsonl"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    out = tmp_path_factory.mktemp(request.param)
    return simulate(small(format=request.param, **DIRTY), out=out)


def test_counts_are_those_of_the_files(shop: Simulation) -> None:
    report = json.loads((shop.truth / "counts.json").read_text())["files"]
    files = event_files(shop.landing.parent)
    assert sorted(report) == [f"events/{path.name}" for path in files]
    landed: set[str] = set()
    for path in files:
        said, day = report[f"events/{path.name}"], date.fromisoformat(path.stem)
        found = _read(path)
        faults = [_fault(row, day) for row in found]
        clean = [row for row, fault in zip(found, faults, strict=True) if row and not fault]
        new = {row["event_id"]: row for row in clean if row["event_id"] not in landed}
        landed |= new.keys()
        assert said["total"] == len(found)
        assert said["dirty"] == {fault: faults.count(fault) for fault in FAULTS}
        assert said["clean"] == len(new)
        assert said["duplicates"] == len(clean) - len(new)
        assert said["total"] == said["clean"] + said["duplicates"] + sum(said["dirty"].values())
        assert said["late"] == sum(row["event_time"][:10] < path.stem for row in new.values())
        assert said["anonymous"] == sum(not row["user_id"] for row in new.values())
        assert said["no_consent"] == sum(row["consent"] in (False, "false") for row in new.values())
        assert said["types"] == Counter(row["event_type"] for row in new.values())


def test_shares_are_about_those_asked_for(shop: Simulation) -> None:
    total = shop.total
    assert sum(total.dirty.values()) / total.total == pytest.approx(0.05, rel=0.2)
    assert total.duplicates / total.clean == pytest.approx(0.05, rel=0.25)
    assert total.late / total.clean == pytest.approx(0.05, rel=0.35)
    assert all(total.dirty[fault] > 0 for fault in FAULTS)
    assert shop.in_flight > 0


def test_duplicates_follow_and_equal_their_originals(shop: Simulation) -> None:
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    kinds = Counter[str]()
    for path in event_files(shop.landing.parent):
        for row in _read(path):
            if _fault(row, date.fromisoformat(path.stem)):
                continue
            assert row is not None
            if row["event_id"] in seen:
                first, original = seen[row["event_id"]]
                assert row == original
                kinds["same file" if first == path.name else "later file"] += 1
            else:
                seen[row["event_id"]] = (path.name, row)
    assert min(kinds["same file"], kinds["later file"]) > 10


def test_late_events_are_at_most_so_late(shop: Simulation) -> None:
    for path in event_files(shop.landing.parent):
        day = date.fromisoformat(path.stem)
        for row in _read(path):
            if row and not _fault(row, day):
                behind = (day - date.fromisoformat(row["event_time"][:10])).days
                # A late line that lands twice may come another day later.
                assert 0 <= behind <= shop.world.settings.late_days + 1


def test_both_formats_tell_the_same(tmp_path: Path) -> None:
    for form in ("csv", "jsonl"):
        simulate(small(format=form, days=2, dirty_share=0), out=tmp_path / form)
    for csv_file, json_file in zip(
        event_files(tmp_path / "csv"), event_files(tmp_path / "jsonl"), strict=True
    ):
        for left, right in zip(_read(csv_file), _read(json_file), strict=True):
            assert left is not None
            assert right is not None
            assert list(left) == list(right)
            for name, value in right.items():
                number = isinstance(value, float)
                text = "" if value is None else str(value)
                same = float(left[name]) == value if number else left[name] == text.replace(
                    str(value), str(value).lower() if isinstance(value, bool) else str(value)
                )  # fmt: skip
                assert same, (name, left[name], value)
