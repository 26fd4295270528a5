"""Runs and model versions in MLflow: what was trained, from what, and which version is champion.

Importing this module does not import MLflow. Every call may be repeated: a run of ours is one
MLflow run and one model version, however often it is logged.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recsys_batch.errors import ConfigError, RecsysError, SetupError
from recsys_batch.imports import IMPORTING
from recsys_batch.models.serving import FactorTables

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion
    from mlflow.tracking import MlflowClient

RUN_TAG = "recsys_run_id"
_SQLITE = "sqlite:///"
MODEL_FOLDER = "model"  # among the run's artifacts
Alias = Literal["challenger", "champion"]
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that does not answer is reported within seconds; MLflow's own default is minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclass(frozen=True)
class ModelVersion:
    """A registered version and the run that made it.

    Attributes
    ----------
    version
        Number in the registry, as text.
    run_id
        Our run; `mlflow_run` is MLflow's id of it.
    """

    name: str
    version: str
    run_id: str
    mlflow_run: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def mlflow_client() -> type[MlflowClient]:
    """MLflow's client, which takes a second to import, set to send nothing and to fail soon."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # What SQL raised is logged with its traceback; the error raised says it better.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    with IMPORTING:
        from mlflow.tracking import MlflowClient
    return MlflowClient


def default_tracking_uri(home: Path) -> str:
    """Return the SQLite database beside the lake, ``sqlite:///<home>/mlflow.db``."""
    return f"{_SQLITE}{home.absolute() / 'mlflow.db'}"


class Registry:
    """MLflow's tracking and registry, reduced to what a run needs.

    Parameters
    ----------
    tracking_uri
        Server or database, such as `default_tracking_uri`.
    artifacts
        Folder of model directories, used with a database; a server has its own.
    experiment
        Name of the experiment; made at the first run.

    Raises
    ------
    SetupError
        From every method: MLflow does not answer, or its database cannot be used.
    """

    def __init__(self, *, tracking_uri: str, artifacts: Path, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts = artifacts
        self.experiment = experiment

    def log_run(
        self,
        *,
        run_id: str,
        params: Mapping[str, str | int | float | bool],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> str:
        """Log a run, or complete and update the one already there; return MLflow's id of it.

        A metric that changed since gets a further step; the latest counts.

        Raises
        ------
        ConfigError
            A parameter has another value than before: another run would share the id.
        """
        from mlflow.entities import Metric, Param, RunTag

        with self._answering():
            run = self._find(run_id) or self._client.create_run(
                self._experiment_id, run_name=run_id, tags={RUN_TAG: run_id, **tags}
            )
            known = str(run.info.run_id)
            _refuse_changed(run, params, where=f"MLflow run {known}")
            changed = {
                name: value
                for name, value in metrics.items()
                if str(run.data.metrics.get(name)) != str(float(value))  # NaN stays NaN
            }
            self._client.log_batch(
                known,
                metrics=[
                    Metric(name, value, run.info.start_time, self._steps(run, name))
                    for name, value in changed.items()
                ],
                params=[
                    Param(name, str(value))
                    for name, value in params.items()
                    if name not in run.data.params
                ],
                tags=[RunTag(name, value) for name, value in tags.items()],
            )
            if run.info.status != "FINISHED":
                self._client.set_terminated(known)
        return known

    def register(
        self, model: str, *, run_id: str, tables: FactorTables, tags: Mapping[str, str]
    ) -> str:
        """Register a logged run's model and return its version; the same one when repeated.

        The model directory is written before the version is made, so there is never a version
        without its files.

        Parameters
        ----------
        model
            Name of the registered model; made where it does not exist.
        run_id
            A run given to `log_run`.
        tables
            The factors the model reads.
        tags
            Of the version, such as table versions and the configuration digest.

        Raises
        ------
        ConfigError
            The run was not logged.
        """
        with self._answering():
            run = self._find(run_id)
            if run is None:
                raise ConfigError(
                    f"run {run_id} was not logged",
                    where=f"MLflow experiment {self.experiment}",
                    fix="call log_run first",
                )
            found = self._client.search_model_versions(
                f"name = '{model}' and run_id = '{run.info.run_id}'"
            )
            if found:
                return str(min(int(each.version) for each in found))
            with tempfile.TemporaryDirectory() as scratch:
                tables.save(Path(scratch) / MODEL_FOLDER)
                self._client.log_artifacts(
                    run.info.run_id, str(Path(scratch) / MODEL_FOLDER), MODEL_FOLDER
                )
            if not self._client.search_registered_models(f"name = '{model}'"):
                self._client.create_registered_model(model)
            made = self._client.create_model_version(
                model,
                source=f"{run.info.artifact_uri}/{MODEL_FOLDER}",
                run_id=run.info.run_id,
                tags={RUN_TAG: run_id, **tags},
            )
        return str(made.version)

    def set_alias(self, model: str, alias: Alias, version: str) -> None:
        """Point an alias at a version; the alias leaves the version it pointed at."""
        with self._answering():
            self._client.set_registered_model_alias(model, alias, version)

    def champion(self, model: str) -> ModelVersion | None:
        """Return the champion with its run's parameters and metrics; None where there is none."""
        return self.aliased(model, "champion")

    def aliased(self, model: str, alias: Alias) -> ModelVersion | None:
        """Return the version an alias points at; None where there is none."""
        with self._answering():
            models = self._client.search_registered_models(f"name = '{model}'")
            number = dict(models[0].aliases).get(alias) if models else None
            if number is None:
                return None
            version: MlflowVersion = self._client.get_model_version(model, str(number))
            run = self._client.get_run(str(version.run_id))
        return ModelVersion(
            name=model,
            version=str(version.version),
            run_id=version.tags[RUN_TAG],
            mlflow_run=run.info.run_id,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=dict(version.tags),
        )

    def metrics(self, run_id: str) -> dict[str, float]:
        """Return the latest metrics of a run of ours; empty where it was never logged."""
        with self._answering():
            run = self._find(run_id)
        return dict(run.data.metrics) if run else {}

    @cached_property
    def _client(self) -> MlflowClient:
        client = mlflow_client()
        if self.tracking_uri.startswith(_SQLITE):
            _ensure_database(Path(self.tracking_uri.removeprefix(_SQLITE)))
        return client(self.tracking_uri, registry_uri=self.tracking_uri)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found is None:
            own = None if self.tracking_uri.startswith("http") else self.artifacts.absolute()
            return self._client.create_experiment(
                self.experiment, artifact_location=own.as_uri() if own else None
            )
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find(self, run_id: str) -> Run | None:
        found = self._client.search_runs(
            [self._experiment_id], f"tags.{RUN_TAG} = '{run_id}'", order_by=["start_time ASC"]
        )
        return found[0] if found else None

    def _steps(self, run: Run, metric: str) -> int:
        if metric not in run.data.metrics:
            return 0
        return len(self._client.get_metric_history(run.info.run_id, metric))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn whatever MLflow, HTTP or SQL raise into one sentence."""
        try:
            yield
        except RecsysError:
            raise
        except Exception as error:
            raise SetupError(
                f"MLflow cannot be used ({' '.join(str(error).split())[:300]})",
                where=f"mlflow.tracking_uri {self.tracking_uri}",
                fix="start that server, free disk space or correct the setting; null is SQLite "
                "beside the lake",
            ) from error


def _ensure_database(path: Path) -> None:
    """Make MLflow's database aside and rename it; where it is there, nothing is done.

    Its migrations are not one transaction: a kill between them leaves a database that MLflow
    refuses for ever.
    """
    if path.exists():
        return
    from mlflow.tracking import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.building")
    for left in path.parent.glob(f"{aside.name}*"):
        left.unlink()
    MlflowClient(f"{_SQLITE}{aside}", registry_uri=f"{_SQLITE}{aside}").search_experiments()
    aside.replace(path)


def _refuse_changed(run: Run, params: Mapping[str, object], *, where: str) -> None:
    for name, value in params.items():
        before = run.data.params.get(name)
        if before is not None and before != str(value):
            raise ConfigError(
                f"parameter {name!r} was {before} and is now {value}",
                where=where,
                fix="give the run another id; settings that change a model are part of it",
            )
