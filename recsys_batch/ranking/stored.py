"""Where fitted models lie: one file a run and part, of the runs trained last."""

from __future__ import annotations

import shutil
from pathlib import Path

_KEPT = 3  # runs; an older one's lists are there, and training it again gives the same file


def run_folder(home: Path, run_id: str) -> Path:
    """The folder of what a run fits."""
    return home / "fitted" / run_id


def model_path(home: Path, run_id: str, part: str) -> Path:
    """The file of a run's model, fitted on one part of its features."""
    return run_folder(home, run_id) / f"{run_id}-{part}.model"


def keep(home: Path, run_id: str) -> None:
    """Count a run's models among those of the latest."""
    run_folder(home, run_id).touch()


def keep_latest(home: Path) -> None:
    """Remove the models of all runs but those trained last, and what the last one's fits left."""
    from recsys_batch.models.mllib import UNFINISHED

    runs = sorted((home / "fitted").iterdir(), key=lambda each: each.stat().st_mtime_ns)
    for old in runs[:-_KEPT]:
        shutil.rmtree(old)
    for left in runs[-1].glob(f"{UNFINISHED}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
