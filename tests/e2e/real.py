"""Real data, run through the command line as the documentation has it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from benchmarks.daily.following import Published
from e2e.sample import PROJECT, must
from recsys_batch.evaluation.intervals import Difference


def run_day(dataset: str, *, landing: Path, day: str, lake: Path) -> Published:
    """Run a day from a landing folder that is named from the project's."""
    near = os.path.relpath(landing, PROJECT)
    # Fewer users judge what is chosen than by default, so that the search takes seconds.
    shorter = ("--set", "tuning.max_users=200")
    options = ("--dataset", dataset, "--landing", near, "--date", day, "--lake", lake, *shorter)
    must("recsys-batch", "run", *options)
    return Published(dataset, dt.date.fromisoformat(day), lake)


def report(found: Difference) -> str:
    """A difference as a line."""
    return f"{found.difference} NDCG@10 over {found.users} users, p = {found.p_value:.4f}"
