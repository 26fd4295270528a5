"""The script that makes the environment, on machines that lack what it needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = "recsys_batch/setup/environment.sh"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with the shell's usual helpers, and neither a Python nor apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "id", "head"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def run(programs: Path, venv: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", SCRIPT, str(venv)],
        env={"PATH": str(programs), **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(".")
    return line


def test_no_python(programs: Path, tmp_path: Path) -> None:
    line = one_sentence(run(programs, tmp_path / "venv"))
    assert "no Python 3.11, 3.12 or 3.13 was found" in line
    assert not (tmp_path / "venv").exists()


def test_an_old_python_is_named(programs: Path, tmp_path: Path) -> None:
    (programs / "python3").write_text("#!/bin/sh\necho Python 3.9.1\nexit 1\n")
    (programs / "python3").chmod(0o755)
    assert "(python3 is Python 3.9.1)" in one_sentence(run(programs, tmp_path / "venv"))


def test_a_named_python_must_fit(programs: Path, tmp_path: Path) -> None:
    line = one_sentence(run(programs, tmp_path / "venv", PYTHON="/nowhere/python3"))
    assert "PYTHON=/nowhere/python3" in line


def test_a_python_without_venv_names_the_package(programs: Path, tmp_path: Path) -> None:
    (programs / "python3").write_text(
        '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; *print*) echo python3.11-venv;; esac\n'
    )
    (programs / "python3").chmod(0o755)
    assert "apt-get install -y python3.11-venv" in one_sentence(run(programs, tmp_path / "venv"))


def test_make_help_names_every_target() -> None:
    text = subprocess.run(
        ["make", "-C", str(PROJECT)], capture_output=True, text=True, check=True
    ).stdout
    for target in ("run", "test", "check", "doctor", "setup", "lock", "clean"):
        assert f"  make {target} " in text
