"""A small shop run from its landing files, as a user would: through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).resolve().parent.parent.parent
DAYS = ("2026-01-11", "2026-01-12")
SHOP = ("--users", "200", "--items", "150", "--days", "12")


@dataclass(frozen=True)
class Ran:
    """What a process left: its exit status and what it printed."""

    status: int
    out: str
    err: str


def call(*command: object, **environment: str) -> Ran:
    """Run a command of the environment's, such as ``recsys-batch``, as a process."""
    done = subprocess.run(
        [str(BIN / str(command[0])), *map(str, command[1:])],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def must(*command: object, **environment: str) -> Ran:
    """The same; fail where it failed."""
    ran = call(*command, **environment)
    assert ran.status == 0, ran.err
    return ran


@dataclass(frozen=True)
class Shop:
    """Landing files, and a lake to run them into."""

    landing: Path
    lake: Path

    @property
    def home(self) -> Path:
        return self.lake / "sample"

    def run(self, day: str, *more: str) -> Ran:
        """Run a day from its landing files to live lists."""
        common = ("--dataset", "sample", "--date", day, "--lake", self.lake)
        return must("recsys-batch", "run", *common, "--landing", self.landing, *more)

    def ask(self, command: str, *arguments: object) -> Ran:
        return must("recsys-batch", command, *arguments, "--lake", self.lake)

    def live(self) -> str:
        return json.loads((self.home / "CURRENT").read_text())["current"]

    def manifest(self, publication_id: str) -> dict:
        rows = json.loads(self.ask("publications", "--json").out)
        (found,) = (row for row in rows if row["publication_id"] == publication_id)
        return {key: value for key, value in found.items() if key != "status"}

    def edge(self, publication_id: str) -> dict[str, bytes]:
        """The bytes of a publication's edge store, by file name."""
        folder = self.home / "edge" / publication_id
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def exports(self, publication_id: str) -> dict:
        """The manifest of a publication's plain exports."""
        path = self.home / "exports" / publication_id / "manifest.json"
        return json.loads(path.read_text())
