"""Challenger and champion on a real MLflow: repeating a run adds nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from recsys_batch.config import Settings, load_settings
from recsys_batch.lake.ledger import replace_rows
from recsys_batch.lake.runs import Run
from recsys_batch.models.champion import (
    log_metrics,
    model_name,
    name_champion,
    open_registry,
    register_challenger,
)
from recsys_batch.models.recipes import Recipe
from recsys_batch.models.serving import FactorTables
from recsys_batch.models.sources import AlsSettings, PopularSettings

RECIPE = Recipe(
    interest_half_life_days=30,
    popularity_half_life_days=None,
    seen="exclude",
    sources={"als": AlsSettings(factors=5), "popular": PopularSettings()},
    weights={"als": 1.0, "popular": 0.25},
)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings("sample")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def run(day: int) -> Run:
    as_of = dt.date(2026, 1, day)
    return Run(f"{as_of}-abc", as_of, 2, f"e{day}", 10 * day, "config", "code")


def register(home: Path, settings: Settings, opened: Run) -> tuple[str, str]:
    made = register_challenger(
        home,
        settings,
        opened,
        RECIPE,
        tables=FactorTables(
            user_factors=str(home / "users"),
            user_version=0,
            item_factors=str(home / "items"),
            item_version=0,
            run_id=opened.run_id,
        ),
        versions={"events": 3, "interactions": 1},
        metrics={"users": 5, "items": 7},
    )
    row = {"run_id": opened.run_id, "recipe": RECIPE.text()}
    row |= {"model_version": made[0], "mlflow_run": made[1]}
    replace_rows(home, "models", [row], run_id=opened.run_id)
    return made


@pytest.fixture(scope="module")
def registered(home, settings) -> dict[int, tuple[str, str]]:
    return {day: register(home, settings, run(day)) for day in (1, 2)}


def aliased(home, settings, alias):
    return open_registry(home, settings).aliased(model_name(settings), alias)


def test_each_run_is_a_version_and_the_last_is_challenger(home, settings, registered):
    assert [version for version, _ in registered.values()] == ["1", "2"]
    found = aliased(home, settings, "challenger")
    assert (found.version, found.run_id) == ("2", "2026-01-02-abc")
    assert found.params["interest_half_life_days"] == "30.0"
    assert found.params["popularity_half_life_days"] == "None"
    assert (found.params["weight.als"], found.params["weight.popular"]) == ("1.0", "0.25")
    assert AlsSettings.model_validate_json(found.params["source.als"]) == AlsSettings(factors=5)
    assert found.tags["version.events"] == "3"
    assert found.tags["events_digest"] == "e2"


def test_registering_again_names_the_same_version(home, settings, registered):
    assert register(home, settings, run(1)) == registered[1]
    assert aliased(home, settings, "challenger").version == "1"
    assert register(home, settings, run(2)) == registered[2]
    assert aliased(home, settings, "challenger").version == "2"


def test_the_champion_is_the_model_of_the_live_publication(home, settings, registered):
    for day in (1, 1, 2, 1):
        name_champion(home, settings, run(day).run_id)
        assert aliased(home, settings, "champion").version == registered[day][0]
    name_champion(home, settings, "2020-01-01-unknown")  # as of another lake: nothing to name
    assert aliased(home, settings, "champion").version == "1"


@pytest.mark.usefixtures("registered")
def test_metrics_are_tracked_under_names_that_mlflow_allows(home, settings):
    for _ in range(2):
        log_metrics(home, settings, run(1), {"ndcg@10": 0.25, "diversity@10": None})
    found = open_registry(home, settings).metrics(run(1).run_id)
    assert found == {"users": 5, "items": 7, "ndcg_at_10": 0.25}
