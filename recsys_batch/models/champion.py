"""Challenger and champion: a run's model in the registry, and the one whose lists are live."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_batch.config import Settings
from recsys_batch.lake.ledger import read_rows
from recsys_batch.lake.runs import Run
from recsys_batch.models.recipes import Recipe
from recsys_batch.models.registry import Registry, default_tracking_uri
from recsys_batch.models.serving import FactorTables


def open_registry(home: Path, settings: Settings, *, of: str | None = None) -> Registry:
    """The registry that the settings name, by default SQLite beside the dataset's tables.

    Parameters
    ----------
    of
        What the experiment holds, if not the runs.
    """
    suffix = "" if of is None else f"-{of}"
    return Registry(
        tracking_uri=settings.mlflow.tracking_uri or default_tracking_uri(home),
        artifacts=home / "mlflow",
        experiment=f"{settings.mlflow.experiment}-{settings.dataset.name}{suffix}",
    )


def model_name(settings: Settings) -> str:
    """Name of a dataset's registered model."""
    return f"{settings.mlflow.experiment}-{settings.dataset.name}"


def register_challenger(
    home: Path,
    settings: Settings,
    run: Run,
    recipe: Recipe,
    *,
    tables: FactorTables,
    versions: Mapping[str, int],
    metrics: Mapping[str, float],
) -> tuple[str, str]:
    """Track a run's model and name it challenger; a repeat names the same version.

    Parameters
    ----------
    recipe
        What it was made by.
    tables
        Where its factors lie.
    versions
        Delta version of each table it was trained from.
    metrics
        Sizes and seconds of the training.

    Returns
    -------
    tuple
        Version in the registry, and MLflow's id of the run.
    """
    registry = open_registry(home, settings)
    lineage = {
        "as_of": run.as_of.isoformat(),
        "code_version": run.code_version,
        "config_digest": run.config_digest,
        "events_digest": run.events_digest,
        **{f"version.{name}": str(version) for name, version in versions.items()},
    }
    params: dict[str, str | float] = {
        "interest_half_life_days": str(recipe.interest_half_life_days),
        "popularity_half_life_days": str(recipe.popularity_half_life_days),
        "seen": recipe.seen,
        "newcomers": recipe.newcomers,
        "reranker": "none" if recipe.trees is None else recipe.trees.name,
        "calibration": "none" if recipe.calibration is None else recipe.calibration.kind,
        **{f"weight.{name}": weight for name, weight in recipe.weights.items()},
        **{
            f"source.{name}": json.dumps(source.model_dump(mode="json"), sort_keys=True)
            for name, source in recipe.sources.items()
        },
    }
    tracked = registry.log_run(run_id=run.run_id, params=params, metrics=metrics, tags=lineage)
    name = model_name(settings)
    version = registry.register(name, run_id=run.run_id, tables=tables, tags=lineage)
    registry.set_alias(name, "challenger", version)
    return version, tracked


def log_metrics(
    home: Path, settings: Settings, run: Run, metrics: Mapping[str, float | None]
) -> None:
    """Add what the run reached on the hold-out to its tracked run.

    Parameters
    ----------
    metrics
        Name with its depth to value, None where it could not be computed. ``ndcg@10`` is tracked
        as ``ndcg_at_10``, since MLflow allows no @.
    """
    known = {name.replace("@", "_at_"): each for name, each in metrics.items() if each is not None}
    open_registry(home, settings).log_run(run_id=run.run_id, params={}, metrics=known, tags={})


def log_trials(
    home: Path, settings: Settings, recipe_id: str, trials: Sequence[Mapping[str, Any]]
) -> None:
    """Track the trials of a search in an experiment of their own, one run each.

    Parameters
    ----------
    trials
        Each with its `settings` and figures.
    """
    if not trials:
        return
    registry = open_registry(home, settings, of="tuning")
    for number, trial in enumerate(trials, start=1):
        figures = {name: float(each) for name, each in trial.items() if name != "settings"}
        registry.log_run(
            run_id=f"{recipe_id}-{number:03}",
            params={name: str(value) for name, value in trial["settings"].items()},
            metrics=figures,
            tags={"recipe": recipe_id},
        )


def name_champion(home: Path, settings: Settings, publication_id: str) -> None:
    """Point the alias champion at the model of a publication that is live."""
    models = read_rows(home, "models", run_id=publication_id)
    if models:
        version = models[0]["model_version"]
        open_registry(home, settings).set_alias(model_name(settings), "champion", version)
