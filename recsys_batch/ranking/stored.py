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
    """Remove the models of all runs but those trained last."""
    runs = sorted((home / "fitted").iterdir(), key=lambda each: each.stat().st_mtime_ns)
    for old in runs[:-_KEPT]:
        shutil.rmtree(old)


def remove_unfinished(home: Path, run_id: str) -> None:
    """Remove what a run's fits left for the case that their stage is killed: it is done."""
    from recsys_batch.models.checkpoints import UNFINISHED

    for left in run_folder(home, run_id).glob(f"{UNFINISHED}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
