"""The kernel's benchmark runs as one command and says whether each goal holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_small_run_writes_its_rows(tmp_path: Path) -> None:
    sizes = "--users 200 --items 700 --dims 16 --n 10 --rounds 5 --seed 3"
    command = [sys.executable, "-m", "benchmarks.speed.kernel", "--factors", "random"]
    done = subprocess.run(
        [*command, *sizes.split(), "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "kernel.json").read_text())
    assert all(set(row) == {"name", "value", "goal", "holds", "command", "seed"} for row in rows)
    assert [row["goal"] for row in rows] == [None, None, None, 2.5, 0.85, 0.85, 1.0]
    assert all(row["holds"] == (row["value"] >= row["goal"]) for row in rows if row["goal"])
    assert rows[-1]["holds"], "lists differ from the reference"
    assert all(row["value"] > 0 and row["seed"] == 3 for row in rows)
    assert (tmp_path / "kernel.md").read_text() == done.stdout
