"""The registry on a real MLflow: SQLite in a temporary folder, factors in real Delta tables."""

from __future__ import annotations

import math
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from recsys_batch.errors import ConfigError, LakeError, SetupError
from recsys_batch.models.registry import Registry, default_tracking_uri
from recsys_batch.models.serving import FactorTables

MODEL = "recsys-batch-sample"
PARAMS = {"factors": 64, "regularization": 0.05, "engine": "local", "scaled": False}
METRICS = {"train_seconds": 1.5, "loss": 0.25}
TAGS = {"as_of": "2026-03-10", "code_version": "abc", "config_digest": "d1", "interactions": "7"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def registry(home) -> Registry:
    return registry_at(home)


def registry_at(home: Path) -> Registry:
    return Registry(
        tracking_uri=default_tracking_uri(home), artifacts=home / "models", experiment="sample"
    )


def write(path: Path, key: str, rows: dict[str, list[float]], *, run_id: str) -> int:
    table = pa.table(
        {
            "run_id": [run_id] * len(rows),
            "part": ["full"] * len(rows),
            key: list(rows),
            "factors": pa.array(list(rows.values()), pa.list_(pa.float32())),
        }
    )
    write_deltalake(str(path), table, mode="append")
    return DeltaTable(str(path)).version()


@pytest.fixture(scope="module")
def tables(home) -> FactorTables:
    users, items = home / "user_factors", home / "item_factors"
    user_version = write(users, "user_key", {"u1": [1.0, 0.0], "u2": [0.0, 1.0]}, run_id="r1")
    item_version = write(
        items, "item_id", {"d": [2.0, 1.0], "a": [1.0, 3.0], "c": [3.0, 0.0], "b": [2.0, 2.0]},
        run_id="r1",
    )  # fmt: skip
    write(users, "user_key", {"u1": [9.0, 9.0]}, run_id="r2")
    write(items, "item_id", {"z": [9.0, 9.0]}, run_id="r2")
    return FactorTables(str(users), user_version, str(items), item_version, run_id="r1")


def counts(home: Path) -> dict[str, int]:
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in ("runs", "metrics", "params", "registered_models", "model_versions")
        }


def test_a_run_logged_twice_is_one_run(home, registry):
    first = registry.log_run(run_id="twice", params=PARAMS, metrics=METRICS, tags=TAGS)
    before = counts(home)
    again = registry_at(home).log_run(run_id="twice", params=PARAMS, metrics=METRICS, tags=TAGS)
    assert again == first
    assert counts(home) == before
    other = registry.log_run(run_id="other", params=PARAMS, metrics={}, tags=TAGS)
    assert other != first
    assert registry.metrics("twice") == METRICS
    assert registry.metrics("never") == {}


def test_a_later_metric_counts_even_if_it_is_smaller(registry):
    for value in (5.0, 2.0, 3.0, 3.0):
        registry.log_run(run_id="slower", params={}, metrics={"seconds": value}, tags={})
        assert registry.metrics("slower") == {"seconds": value}
    for _ in range(2):
        registry.log_run(run_id="slower", params={}, metrics={"loss": math.nan}, tags={})
    assert math.isnan(registry.metrics("slower")["loss"])


def test_another_parameter_under_the_same_run_is_refused_and_nothing_is_logged(home, registry):
    registry.log_run(run_id="fixed", params=PARAMS, metrics={}, tags=TAGS)
    before = counts(home)
    with pytest.raises(ConfigError, match=r"parameter 'factors' was 64 and is now 32"):
        registry.log_run(
            run_id="fixed", params=PARAMS | {"factors": 32}, metrics=METRICS, tags=TAGS
        )
    assert counts(home) == before


def test_a_run_cut_off_after_it_was_made_is_completed(registry):
    registry.log_run(run_id="warm", params={}, metrics={}, tags={})
    client, experiment = registry._client, registry._experiment_id
    cut = client.create_run(experiment, tags={"recsys_run_id": "cut"}).info.run_id
    assert registry.log_run(run_id="cut", params=PARAMS, metrics=METRICS, tags=TAGS) == cut
    run = client.get_run(cut)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
    assert TAGS.items() <= run.data.tags.items()


def test_register_alias_champion_and_repeat(home, registry, tables):
    assert registry.champion(MODEL) is None
    with pytest.raises(ConfigError, match="call log_run first"):
        registry.register(MODEL, run_id="r1", tables=tables, tags=TAGS)
    mlflow_run = registry.log_run(run_id="r1", params=PARAMS, metrics=METRICS, tags=TAGS)
    assert registry.register(MODEL, run_id="r1", tables=tables, tags=TAGS) == "1"
    before = counts(home)
    assert registry_at(home).register(MODEL, run_id="r1", tables=tables, tags=TAGS) == "1"
    assert counts(home) == before
    registry.log_run(run_id="r2", params=PARAMS, metrics=METRICS, tags=TAGS)
    assert registry.register(MODEL, run_id="r2", tables=tables, tags=TAGS) == "2"

    assert registry.champion(MODEL) is None  # registered, but no alias yet
    for _ in range(2):
        registry.set_alias(MODEL, "champion", "1")
        registry.set_alias(MODEL, "challenger", "2")
    champion = registry_at(home).champion(MODEL)
    assert champion is not None
    assert (champion.version, champion.run_id, champion.mlflow_run) == ("1", "r1", mlflow_run)
    assert champion.params["factors"] == "64"
    assert champion.metrics == METRICS
    assert TAGS.items() <= champion.tags.items()
    assert registry.aliased(MODEL, "challenger").run_id == "r2"
    registry.set_alias(MODEL, "champion", "2")
    assert registry.champion(MODEL).version == "2"
    assert counts(home)["model_versions"] == 2


def test_the_registered_model_answers_from_the_recorded_table_versions(home, registry, tables):
    from mlflow import pyfunc

    registry.log_run(run_id="r1", params=PARAMS, metrics=METRICS, tags=TAGS)
    number = registry.register(MODEL, run_id="r1", tables=tables, tags=TAGS)
    model = pyfunc.load_model(registry._client.get_model_version(MODEL, number).source)
    asked = pd.DataFrame({"user_key": ["u2", "unknown", "u1", "u2"]})
    found = model.predict(asked, params={"n": 3})
    assert found[["user_key", "rank", "item_id", "score"]].values.tolist() == [
        ["u2", 1, "a", 3.0],
        ["u2", 2, "b", 2.0],
        ["u2", 3, "d", 1.0],
        ["u1", 1, "c", 3.0],
        ["u1", 2, "b", 2.0],  # ties with d: the smaller item id goes first
        ["u1", 3, "d", 2.0],
    ]
    assert list(model.predict(pd.DataFrame({"user_key": ["unknown"]})).columns) == list(
        found.columns
    )
    folders = [path for path in (home / "models").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in folders) < 100_000


def test_a_model_whose_tables_are_gone_says_so(home, tables, tmp_path):
    from mlflow import pyfunc

    for number, (broken, text) in enumerate(
        (
            (replace(tables, item_version=99), "version 99 cannot be read"),
            (replace(tables, run_id="r9"), "holds no factors of run r9"),
            (replace(tables, user_factors=str(home / "nowhere")), "nowhere: version"),
        )
    ):
        broken.save(tmp_path / f"model{number}")
        with pytest.raises(LakeError, match=text):
            pyfunc.load_model(str(tmp_path / f"model{number}"))


@pytest.mark.parametrize("answers", ["refused", "silent"])
def test_an_unreachable_server_is_one_sentence_within_seconds(answers, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answers == "silent":
            server.listen(5)  # accepts and never answers
        port = server.getsockname()[1]
        code = f"""
import time
from pathlib import Path
from recsys_batch.errors import SetupError
from recsys_batch.models.registry import Registry
registry = Registry(tracking_uri="http://127.0.0.1:{port}", artifacts=Path(), experiment="x")
registry._client
start = time.monotonic()
try:
    registry.log_run(run_id="r", params={{}}, metrics={{}}, tags={{}})
except SetupError as error:
    print(round(time.monotonic() - start, 1), error)
"""
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PATH": "", "PYTHONPATH": str(Path.cwd()), "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"},
        )
    seconds, _, text = done.stdout.partition(" ")
    assert text.startswith(f"mlflow.tracking_uri http://127.0.0.1:{port}: MLflow cannot be used")
    assert text.strip().endswith("null is SQLite beside the lake.")
    assert float(seconds) < 15
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_one_sentence(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(SetupError, match=r"mlflow\.tracking_uri sqlite:///.*MLflow cannot be used"):
        registry_at(tmp_path).log_run(run_id="r", params={}, metrics={}, tags={})


def test_a_second_log_register_and_alias_take_under_two_seconds(registry, tables):
    registry.log_run(run_id="warm-up", params=PARAMS, metrics=METRICS, tags=TAGS)
    registry.register(MODEL, run_id="warm-up", tables=tables, tags=TAGS)
    start = time.monotonic()
    registry.log_run(run_id="timed", params=PARAMS, metrics=METRICS, tags=TAGS)
    number = registry.register(MODEL, run_id="timed", tables=tables, tags=TAGS)
    registry.set_alias(MODEL, "challenger", number)
    assert time.monotonic() - start < 2


def test_importing_the_registry_does_not_import_mlflow():
    code = "import sys, recsys_batch.models.registry; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
