"""SIGKILL while MLflow makes its database and registers the first model; a repeat must finish."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .soak import TIMES

SEED = 3
MOMENTS = 2 * TIMES
CHILD = Path(__file__).with_name("registry_child.py")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * TIMES)]


def start(home: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(home)], stdout=pipe, stderr=pipe, text=True
    )


def wait_for_files(home: Path, child: subprocess.Popen[str]) -> None:
    while not (home.is_dir() and any(home.iterdir())):
        assert child.poll() is None, "the child ended before it wrote"
        time.sleep(0.005)


def test_a_registry_killed_as_it_is_made_works_afterwards(tmp_path):
    child = start(tmp_path / "undisturbed")
    wait_for_files(tmp_path / "undisturbed", child)
    began = time.monotonic()
    expected, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert expected.startswith("1 run ")
    lasting = time.monotonic() - began

    draw = random.Random(SEED)
    moments = [(slot + draw.random()) * 0.8 * lasting / MOMENTS for slot in range(MOMENTS)]
    sys.stdout.write(f"seed {SEED}, kills {[round(each, 2) for each in moments]} s in\n")
    for number, moment in enumerate(moments):
        home = tmp_path / str(number)
        child = start(home)
        wait_for_files(home, child)
        time.sleep(moment)
        child.kill()
        child.communicate()
        again = start(home)
        output, errors = again.communicate(timeout=120)
        assert again.returncode == 0, f"after a kill at {moment:.2f} s: {errors[-500:]}"
        assert output == expected
        assert not list(home.glob(".mlflow*"))
