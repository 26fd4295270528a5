"""The commands: what they ask for, and that every error is a sentence and an exit status."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from edge.samples import build

from recsys_batch.cli import main
from recsys_batch.edge.rollback import promote
from recsys_batch.ingest.pseudonyms import load_key
from recsys_batch.pipeline import STAGES
from recsys_batch.publish.exports import MANIFEST, export_folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def fails(code: int, text: str, *arguments: object) -> None:
    """The command ends with the status and one line on standard error that holds the text."""
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert text in lines[0]
    assert lines[0].endswith(".")


@pytest.fixture
def lake(tmp_path) -> Path:
    """A live publication with plain exports, built without Spark."""
    home = tmp_path / "lake" / "sample"
    build(home, "p1")
    promote(home, "p1", actor="tests", at=datetime(2026, 1, 1, tzinfo=UTC))
    folder = export_folder(home, "p1")
    folder.mkdir(parents=True)
    (folder / "lists.jsonl").write_bytes(b"{}\n")
    digest = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    files = {"lists.jsonl": {"bytes": 3, "sha256": digest}}
    (folder / MANIFEST).write_text(json.dumps({"publication_id": "p1", "files": files}))
    return tmp_path / "lake"


def test_every_stage_and_every_promised_command_is_there():
    promised = {"run", "init", "simulate", "demo", "show", "status", "publications", "rollback"}
    promised |= {"user-key", "serve", "settings", "doctor", "quarantine"}
    assert set(main.commands) >= promised | {stage.name for stage in STAGES}
    for name, command in main.commands.items():
        result = call(name, "--help")
        assert result.exit_code == 0
        assert command.help
    assert call("--version").output.startswith("main, version ")


def test_help_starts_neither_spark_nor_anything_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from recsys_batch.cli import main; "
        "CliRunner().invoke(main, ['run', '--help']); "
        "print({'pyspark', 'pandas', 'mlflow', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_settings_prints_what_a_run_would_use():
    result = call("settings", "--dataset", "sample", "--set", "tuning.max_users=5")
    found = yaml.safe_load(result.output)
    assert found["dataset"]["name"] == "sample"
    assert found["tuning"]["max_users"] == 5
    assert found["recommend"]["seen_types"] == ["purchase"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("tuning.seed", "'tuning.seed' is not KEY=VALUE; write it like recommend.n=20"),
        ("=3", "'=3' is not KEY=VALUE"),
        ("tuning.seed=[", "the value of tuning.seed is not YAML"),
        ("tuning.seed=many", "setting 'tuning.seed': input should be a valid integer"),
        ("tuning.every_days=0", "setting 'tuning.every_days': input should be greater than or"),
        ("tuning.seeds=3", "setting 'tuning.seeds': extra inputs are not permitted"),
        ("nothing.like.it=3", "setting 'nothing': extra inputs are not permitted"),
        ("als.factors=3", "setting 'als': extra inputs are not permitted"),
        ("tuning=3", "setting 'tuning'"),
    ],
)
def test_a_wrong_setting_is_named(given, text):
    fails(2, text, "settings", "--dataset", "sample", "--set", given)


def test_an_unknown_dataset_names_the_known_ones(tmp_path):
    text = "there is no dataset 'unheard'; use one of movielens_100k, online_retail, sample"
    fails(2, text, "settings", "--dataset", "unheard")
    fails(2, text, "status", "--dataset", "unheard", "--lake", tmp_path)
    day = ("--date", "2026-01-12", "--lake", tmp_path)
    fails(2, text, "run", "--dataset", "unheard", *day)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("day", ["2026-13-01", "2026-02-30", "yesterday", "20260112", ""])
def test_a_wrong_date_is_refused_before_anything_is_made(tmp_path, day):
    lake = tmp_path / "lake"
    for command in ("run", "ingest", "export"):
        arguments = ("--dataset", "sample", "--date", day, "--lake", lake)
        fails(2, f"--date: {day!r} is not a day; write it as YYYY-MM-DD", command, *arguments)
    assert not lake.exists()


def test_a_missing_landing_folder_is_refused_before_anything_is_made(tmp_path):
    lake, landing = tmp_path / "lake", tmp_path / "nothing"
    day = ("--dataset", "sample", "--date", "2026-01-12", "--lake", lake)
    text = f"{landing}: there is no such landing folder; name the folder"
    fails(4, text, "run", *day, "--landing", landing)
    assert not lake.exists()


def test_show_prints_text_or_json(lake):
    text = call("show", "anna", "--dataset", "sample", "--lake", lake, "-n", 2)
    assert text.exit_code == 0
    assert len(text.output.splitlines()) == 3
    found = json.loads(call("show", "anna", "--lake", lake, "--json").output)
    assert found["level"] == "global"
    assert len(found["items"]) == 5
    region = json.loads(call("show", "x", "--lake", lake, "--region", "DE", "--json").output)
    assert region["level"] == "region"
    assert call("show", "anna", "--lake", lake, "-n", 0).exit_code == 2


def test_user_key_prints_the_pseudonym():
    assert call("user-key", "anna").output.strip() == load_key(create=False)[0].user_key("anna")
    assert len(call("user-key", "ünï").output.strip()) == 64


def test_export_to_copies_what_is_live_without_spark(lake, tmp_path):
    to = tmp_path / "copy"
    common = ("export", "--lake", lake)
    result = call(*common, "--to", to)
    assert result.output == f"{to}: 1 files of publication p1, all verified\n"
    assert sorted(path.name for path in to.iterdir()) == ["lists.jsonl", MANIFEST]
    assert call(*common, "--to", to).exit_code == 0
    (lake / "sample" / "exports" / "p1" / "lists.jsonl").write_bytes(b"x")
    fails(9, "the file is missing or differs", *common, "--to", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_export_asks_for_a_day_or_a_folder(lake, tmp_path):
    common = ("export", "--lake", lake)
    for more in ((), ("--to", tmp_path / "x", "--date", "2026-01-01")):
        result = call(*common, *more)
        assert result.exit_code == 2
        assert "Error: " in result.stderr


def test_export_to_needs_something_live(tmp_path):
    (tmp_path / "sample").mkdir()
    arguments = ("--dataset", "sample", "--lake", tmp_path, "--to", tmp_path / "to")
    fails(9, "nothing is live yet", "export", *arguments)


def test_a_port_in_use_is_refused(lake):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = f"127.0.0.1:{port}: the port cannot be bound (Address already in use); stop what"
        fails(3, text, "serve", "--lake", lake, "--port", port)


def test_the_doctor_prints_its_checks(lake):
    result = call("doctor", "--lake", lake)
    assert result.exit_code in (0, 3)
    assert "Java" in result.output
    assert ("Nothing is missing." in result.output) == (result.exit_code == 0)


def test_simulate_writes_a_shop_and_refuses_unknown_settings(tmp_path):
    small = ("--users", 20, "--items", 15, "--days", 3, "--out", tmp_path)
    result = call("simulate", *small)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'landing'}: ")
    files = sorted(path.name for path in (tmp_path / "landing" / "events").iterdir())
    assert files == ["2026-01-01.csv", "2026-01-02.csv", "2026-01-03.csv"]
    fails(2, "unheard", "simulate", *small, "--set", "unheard=1")
    fails(2, "unheard", "simulate", *small, "--preset", "unheard")


def test_errors_show_their_traceback_where_asked(monkeypatch):
    monkeypatch.setenv("RECSYS_BATCH_TRACEBACK", "1")
    result = call("settings", "--dataset", "unheard")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_is_a_number_in_the_audit_log():
    code = (
        "import os; from recsys_batch.job import actor; os.setgroups([]); os.setuid(54321); "
        "[os.environ.pop(name, None) for name in ('LOGNAME', 'USER', 'LNAME', 'USERNAME')]; "
        "print(actor())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "uid 54321"
