from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.errors import LandingError
from recsys_batch.simulator import ShopSettings, read_world, simulate

from .samples import event_files, small


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("preset", ["shop", "news", "groceries", "films"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_equal_settings_give_equal_bytes(tmp_path: Path, preset: str, form: str) -> None:
    for run in ("one", "two"):
        simulate(small(preset, days=3, format=form), out=tmp_path / run)
    one = _digests(tmp_path / "one")
    assert one == _digests(tmp_path / "two")
    assert len(one) == 3 + 1 + 4  # days, catalogue, truth


def test_another_seed_gives_other_files(tmp_path: Path) -> None:
    for seed in (1, 2):
        simulate(small(days=1, seed=seed), out=tmp_path / str(seed))
    one, two = (event_files(tmp_path / seed)[0].read_bytes() for seed in ("1", "2"))
    assert one != two


def test_a_day_does_not_depend_on_the_days_after_it(tmp_path: Path) -> None:
    for days in (3, 33):
        simulate(small(users=60, days=days), out=tmp_path / str(days))
    short, long = (_digests(tmp_path / days / "landing" / "events") for days in ("3", "33"))
    assert short.items() <= long.items()


def test_running_again_in_the_same_folder_changes_nothing(tmp_path: Path) -> None:
    simulate(small(days=2), out=tmp_path)
    before = _digests(tmp_path)
    half = tmp_path / "landing" / "events" / "2026-01-01.csv.unfinished"
    half.write_text("left by a killed run")
    simulate(small(days=2), out=tmp_path)
    assert _digests(tmp_path) == before


def test_the_catalogue_lists_every_item_once(tmp_path: Path) -> None:
    world = simulate(small(), out=tmp_path).world
    with (tmp_path / "landing/items/items.csv").open(newline="", encoding="utf-8") as lines:
        found = list(csv.DictReader(lines))
    assert [row["item_id"] for row in found] == world.items.ids
    assert list(found[0]) == ["item_id", "title", "category", "price", "valid_from"]
    arrived_later = [
        row["valid_from"] for row in found if row["valid_from"] > "2026-01-01T00:00:00Z"
    ]
    assert arrived_later
    assert max(arrived_later) < "2026-01-07T00:00:00Z"


def test_profiles_land_where_they_are_wanted_and_change_nothing_else(tmp_path: Path) -> None:
    for days, wanted in ((6, False), (6, True), (9, True)):
        simulate(small(days=days, profiles=wanted), out=tmp_path / f"{days}-{wanted}")
    plain, whole = (_digests(tmp_path / name / "landing") for name in ("6-False", "6-True"))
    assert whole.items() - plain.items() == {
        ("profiles/profiles.csv", whole["profiles/profiles.csv"])
    }
    short, long = (
        pl.read_csv(tmp_path / name / "landing/profiles/profiles.csv")
        for name in ("6-True", "9-True")
    )
    assert long.head(len(short)).equals(short)
    people = pl.read_parquet(tmp_path / "6-True" / "truth" / "users.parquet")
    assert short.columns == ["user_id", "region", "cohort", "birth_year", "consent", "valid_from"]
    assert short.select("user_id", "region", "consent").equals(
        people.select("user_id", "region", "consent")
    )
    assert short["birth_year"].is_between(1940, 2008).all()
    assert short["valid_from"].max() <= "2026-01-06T00:00:00Z"


def test_cohorts_say_something_of_tastes(tmp_path: Path) -> None:
    world = simulate(small(users=800, days=1, profiles=True), out=tmp_path).world
    cohorts = pl.read_csv(tmp_path / "landing/profiles/profiles.csv")["cohort"].to_numpy()
    alike = world.users.factors @ world.users.factors.T  # cosines
    same = cohorts[:, None] == cohorts[None]
    assert len(set(cohorts)) == 4
    assert alike[same].mean() > alike[~same].mean() + 0.1
    names, counts = np.unique(cohorts, return_counts=True)
    assert counts.min() > 0.04 * len(cohorts), dict(zip(names, counts, strict=True))


def test_truth_can_be_read_back(tmp_path: Path) -> None:
    world = simulate(small(), out=tmp_path).world
    again = read_world(tmp_path)
    np.testing.assert_array_equal(world.users.factors, again.users.factors)
    users = pl.read_parquet(tmp_path / "truth" / "users.parquet")
    items = pl.read_parquet(tmp_path / "truth" / "items.parquet")
    np.testing.assert_array_equal(users["factors"].to_numpy(), world.users.factors)
    np.testing.assert_array_equal(items["factors"].to_numpy(), world.items.factors)
    assert users["user_id"].to_list()[:2] == ["u000000", "u000001"]


def test_progress_is_told_day_by_day(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate(small(days=3), out=tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_strange_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LandingError, match="cannot be made"):
        simulate(small(), out=tmp_path / "file")
    events = tmp_path / "full" / "landing" / "events"
    events.mkdir(parents=True)
    (events / "2025-12-31.csv").write_text("mine")
    with pytest.raises(LandingError, match=r"1 files of something else, such as 2025-12-31\.csv"):
        simulate(small(), out=tmp_path / "full")
    assert [path.name for path in events.iterdir()] == ["2025-12-31.csv"]
    with pytest.raises(LandingError, match="no settings of a simulation"):
        read_world(tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    users=st.integers(1, 4),
    items=st.integers(1, 12),
    new=st.sampled_from([0.0, 0.5, 1.0]),
    life=st.sampled_from([0.1, 3.0, 900.0]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    form=st.sampled_from(["csv", "jsonl"]),
)
def test_the_smallest_shops_conserve_lines(
    tmp_path_factory: pytest.TempPathFactory,
    users: int, items: int, new: float, life: float, share: float, form: str,
) -> None:  # fmt: skip
    shop = ShopSettings(
        users=users, items=items, days=2, new_item_share=new, new_user_share=new, late_days=1,
        item_lifetime_days=life, late_share=share, duplicate_share=share, dirty_share=share / 2,
        format=form, sessions_per_user_day=1,
    )  # fmt: skip
    out = tmp_path_factory.mktemp("tiny")
    simulate(shop, out=out)
    report = json.loads((out / "truth" / "counts.json").read_text())["files"]
    for path in event_files(out):
        said = report[f"events/{path.name}"]
        lines = path.read_text().count("\n") - (form == "csv")
        assert said["total"] == lines
        assert lines == said["clean"] + said["duplicates"] + sum(said["dirty"].values())
