"""What every job shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from threading import enumerate as threads
from recsys_batch.imports import importing
from recsys_batch.job import imports
with importing(imports([sys.argv[1]])):
    for each in threads():
        if each.name == "imports":
            each.join()
print(*(name in sys.modules for name in sys.argv[2:]))
"""
LIBRARIES = ("mlflow.tracking", "great_expectations")


@pytest.mark.parametrize(
    ("stage", "library"), [("export", "mlflow.tracking"), ("recommend", "great_expectations")]
)
def test_what_a_stage_uses_is_imported_beside_what_is_done_meanwhile(
    tmp_path: Path, stage: str, library: str
) -> None:
    script = tmp_path / "script.py"  # with -c, pyspark takes the process for one of its own tests
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, script, stage, *LIBRARIES], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(name == library) for name in LIBRARIES]
