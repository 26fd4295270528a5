"""How the DAG runs: a real Airflow and real spark-submits of jobs that only note their arguments.

The stages themselves are run by `test_daily_run.py`; here they fail when told to, so that the
test knows which failure Airflow must retry.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_batch.errors import GateRefusedError, LakeError
from recsys_batch.pipeline import STAGES

from .airflow_home import PROJECT, AirflowHome, tail
from .test_daily_recommendations import write_conf

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

JOB = """
import json, os, sys
from pathlib import Path

here = Path(__file__).resolve()
given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
note = {"stage": here.stem, "python": os.environ["PYSPARK_PYTHON"], **given}
with Path(given["--lake"], "notes.jsonl").open("a") as notes:
    notes.write(json.dumps(note) + "\\n")
told = Path(given["--lake"], f"fail-{here.stem}")
if told.exists():
    code = int(told.read_text())
    told.unlink()
    sys.exit(code)
"""
NAMES = [stage.name for stage in STAGES]


def notes(lake: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (lake / "notes.jsonl").read_text().splitlines()]


def test_a_run_retries_what_time_heals_and_stops_at_what_it_does_not(
    tmp_path: Path, make_airflow: Callable[..., AirflowHome]
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "dags", project / "dags")
    (project / "jobs").mkdir()
    for stage in STAGES:
        (project / stage.job).write_text(JOB)
    lake = tmp_path / "the lake"
    lake.mkdir()
    airflow = make_airflow(
        project / "dags",
        RECSYS_BATCH_CONF=str(write_conf(tmp_path / "conf")),
        RECSYS_BATCH_ENV="local",
        RECSYS_BATCH_RETRY_SECONDS="1",
    )
    conf = json.dumps({"dataset": "online_retail", "landing": "/in", "lake": str(lake)})

    (lake / "fail-validate").write_text(str(LakeError.exit_code))
    (lake / "fail-evaluate").write_text(str(GateRefusedError.exit_code))
    refused = airflow.test("2026-01-30", conf, timeout=240)
    assert refused.returncode != 0
    assert airflow.states() == {
        **dict.fromkeys(NAMES, ("success", 1)),
        "validate": ("success", 2),
        "evaluate": ("failed", 1),
        "publish": ("upstream_failed", 0),
        "export": ("upstream_failed", 0),
    }, tail(refused.stdout)
    [line] = [each for each in refused.stdout.splitlines() if '"event": "stage_failed"' in each]
    told = json.JSONDecoder().raw_decode(line[line.index("{") :])[0]
    assert told["stage"] == "evaluate"
    assert told["day"] == "2026-01-30"
    assert told["run_id"].startswith("manual__")
    assert "GateRefusedError" in told["error"]
    assert "clear the task" in told["fix"]

    (lake / "notes.jsonl").unlink()
    done = airflow.test("2026-01-30", conf, timeout=240)
    assert done.returncode == 0, tail(done.stdout)
    assert set(airflow.states().values()) == {("success", 1)}
    noted = notes(lake)
    assert [note["stage"] for note in noted] == NAMES
    for note in noted:
        assert note["python"] == sys.executable
        assert note["--dataset"] == "online_retail"
        assert note["--date"] == "2026-01-30"
        assert note["--landing"] == "/in"
        assert note["--lake"] == str(lake)

    events = airflow.query(
        "select e.source_task_id, a.name, e.extra from asset_event e join asset a"
        " on a.id = e.asset_id where e.source_run_id = (select run_id from dag_run)"
        " order by e.id"
    )
    assert [(task, name) for task, name, _ in events] == [
        (stage.name, f"online_retail.{table}") for stage in STAGES for table in stage.writes
    ]
    assert {extra for *_, extra in events} == {'{"day": "2026-01-30"}'}
