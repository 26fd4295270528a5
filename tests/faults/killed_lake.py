"""A lake that child processes write and that is killed with them, seen by its files alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from recsys_batch.lake.ledger import read_rows

from .children import kill_session

CHILD = Path(__file__).with_name("ingest_child.py")
FIELDS = {"event_id": "id", "user_id": "u", "item_id": "i"}
FATES = ("landed", "accepted", "quarantined", "duplicate")


class Lake:
    """A lake, and the files that its children land one after the other."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source, self.folder, self.home = source, folder, folder / "lake"
        self.ready = 0.0

    def start(self, act: str, fields: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "out").open("ab") as out:
            return subprocess.Popen(
                [
                    *(sys.executable, str(CHILD), act, str(self.source), str(self.folder)),
                    json.dumps(fields),
                ],
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    def files(self, pattern: str) -> set[str]:
        return {str(path) for path in self.home.glob(pattern)}

    def kill(
        self,
        until: Callable[[], bool],
        *,
        act: str = "take",
        fields: Mapping[str, str] = FIELDS,
    ) -> bool:
        """Start a child and kill it when `until` says so; False where it ended before.

        `ready` is the moment at which it began to take files or to replay.
        """
        child = self.start(act, fields)
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n", (self.folder / "out").read_text()[-2000:]
            self.ready = time.monotonic()
            while not until():
                if child.poll() is not None:
                    assert child.returncode == 0, (self.folder / "out").read_text()[-2000:]
                    return False
                time.sleep(0.001)
        finally:
            kill_session(child)
        return True

    def complete(self) -> tuple[list[str], dict[str, int]]:
        """Event ids that readers see, and the rows of all complete batches by fate."""
        batches = read_rows(self.home, "batches", status="complete")
        known = {row["batch_seq"] for row in batches}
        ids = [r["event_id"] for r in read_rows(self.home, "events") if r["batch_seq"] in known]
        return ids, {name: sum(row[name] for row in batches) for name in FATES}

    def taken(self) -> list[str]:
        rows = read_rows(self.home, "batches", status="complete")
        return sorted(row["file"] for row in rows)

    def uncommitted(self, table: str) -> set[str]:
        """Data files of a table that none of its commits names."""
        commits = sorted(self.home.glob(f"{table}/_delta_log/*.json"))
        named = "".join(path.read_text() for path in commits)
        data = self.files(f"{table}/**/*.parquet")
        return {file for file in data if Path(file).name not in named}


def after(lake: Lake, seconds: float) -> Callable[[], bool]:
    """Whether so much time has passed since the child was ready."""
    return lambda: time.monotonic() > lake.ready + seconds


def appears(lake: Lake, pattern: str) -> Callable[[], bool]:
    """Whether a file of the pattern is there that is not there now."""
    before = lake.files(pattern)
    return lambda: bool(lake.files(pattern) - before)


def never() -> bool:
    return False
