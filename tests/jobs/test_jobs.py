"""Each stage has its thin job, and a job ends a failure with a sentence and an exit status."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_batch.job import Job
from recsys_batch.pipeline import STAGES

PROJECT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
JOBS = sorted((PROJECT / "jobs").glob("*.py"))


def test_every_stage_has_its_job_and_every_job_its_stage():
    assert {f"jobs/{path.name}" for path in JOBS} == {
        *(stage.job for stage in STAGES),
        "jobs/__init__.py",
    }


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_job_runs_one_job_and_is_a_script(stage):
    module = importlib.import_module(f"jobs.{stage.name}")
    assert [*inspect.signature(module.run).parameters] == ["job"]
    assert inspect.get_annotations(module.run, eval_str=True)["job"] is Job
    assert module.main.__module__ == "recsys_batch.job"
    last = (PROJECT / stage.job).read_text().rstrip().splitlines()[-2:]
    assert last == ['if __name__ == "__main__":', f'    main("{stage.name}", run)']


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_a_job_is_thin_and_imports_no_other_job(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert "from jobs" not in text
    assert "import jobs" not in text


def submit(stage: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "spark-submit"), f"jobs/{stage}.py", *map(str, arguments)],
        cwd=PROJECT,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def errors_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines of error; spark-submit puts what a Python driver says on either stream."""
    said = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    assert not any("Traceback" in line for line in said)
    return [line for line in said if line.startswith("error: ")]


def test_wrong_arguments_end_before_spark_starts_a_stage(tmp_path):
    done = submit("ingest", "--dataset", "sample", "--date", "someday", "--lake", tmp_path / "lake")
    assert done.returncode == 2
    wanted = ["error: --date: 'someday' is not a day; write it as YYYY-MM-DD."]
    assert errors_of(done) == wanted
    assert not (tmp_path / "lake").exists()


@pytest.mark.spark
@pytest.mark.slow
def test_a_submitted_stage_fails_with_its_sentence_status_and_log(tmp_path):
    (tmp_path / "landing").mkdir()
    where = ("--landing", tmp_path / "landing", "--lake", tmp_path / "lake")
    done = submit("ingest", "--dataset", "sample", "--date", "2026-01-01", *where)
    assert done.returncode == 4, done.stderr
    (error,) = errors_of(done)
    assert "no file matches 'items/*.csv'" in error
    log = (tmp_path / "lake" / "sample" / "logs" / "runs.jsonl").read_text().splitlines()
    ended = json.loads(log[-1])
    assert (ended["level"], ended["stage"], ended["as_of"]) == ("error", "ingest", "2026-01-01")
    assert ended["error"] == "LandingError"
    assert ended["message"].startswith("stage failed: ")
