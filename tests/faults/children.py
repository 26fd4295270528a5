"""Days run as real child processes that can be killed, and what such a run leaves in the lake."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from e2e.sample import BIN, PROJECT

from recsys_batch.edge.bodies import look_up
from recsys_batch.edge.manifest import verify_store
from recsys_batch.edge.store import EdgeStore, store_folder
from recsys_batch.lake.ledger import read_rows
from recsys_batch.publish import audit
from recsys_batch.publish.exports import export_folder, verify_exports
from recsys_batch.publish.manifest import sealed_manifest
from recsys_batch.publish.pointer import read_current

PATIENCE = 300.0  # seconds that a run may take
LEDGERS = {
    "batches": ("taken_at",),
    "lateness": (),
    "quarantine": (),
    "events": (),
    "catalogue": (),
    "raw_events": (),
    "runs": (),
    "validations": (),
    "suspects": (),
    "freshness": ("taken_at",),
    "metrics": (),
    "decisions": (),
    "publications": (),
    "models": ("mlflow_run",),  # MLflow draws it at random
}


@dataclass(frozen=True)
class Place:
    """A lake, the landing folder that feeds it, and where its runs' output goes."""

    lake: Path
    landing: Path

    @property
    def home(self) -> Path:
        return self.lake / "sample"

    def start(self, day: str, command: str = "run") -> subprocess.Popen[bytes]:
        """Start ``recsys-batch run`` of a day, or one of its stages, in a session of its own."""
        call = [BIN / "recsys-batch", command, "--dataset", "sample", "--date", day]
        call += ["--landing", self.landing, "--lake", self.lake]
        call += ["--set", "spark.driver_memory=2g", "--set", "spark.shuffle_partitions=2"]
        with (self.lake.parent / f"{self.lake.name}.out").open("ab") as out:
            return subprocess.Popen(
                [str(each) for each in call],
                cwd=PROJECT,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def finish(self, day: str) -> int:
        """Run a day undisturbed and return the process's id, by which its log is known."""
        child = self.start(day)
        try:
            status = child.wait(timeout=PATIENCE)
        finally:
            kill_session(child)
        assert status == 0, (self.lake.parent / f"{self.lake.name}.out").read_text()[-3000:]
        return child.pid

    def log(self, pid: int) -> list[dict[str, Any]]:
        """What a process logged; a line that a kill tore is left out."""
        path = self.home / "logs" / "runs.jsonl"
        entries = []
        for line in path.read_text().splitlines() if path.exists() else []:
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        return [each for each in entries if each["process"] == pid]


def stage_seconds(place: Place, pid: int) -> dict[str, float]:
    """How long each stage of a finished run took."""
    ended = [each for each in place.log(pid) if each["message"] == "stage ended"]
    return {each["stage"]: each["seconds"] for each in ended}


def kill_in(
    place: Place,
    day: str,
    stage: str,
    after: float,
    *,
    watch: Callable[[], object] = lambda: None,
    alone: bool = False,
) -> str:
    """Start a day, kill it some seconds after a stage began, and return the stage it died in.

    Parameters
    ----------
    watch
        Called again and again meanwhile, as a reader would look.
    alone
        Start that stage alone; it may end before it is killed.
    """
    child = place.start(day, stage if alone else "run")
    try:
        _wait_for(place, child, stage, watch=watch)
        deadline = time.monotonic() + after
        while (left := deadline - time.monotonic()) > 0 and child.poll() is None:
            watch()
            time.sleep(min(left, 0.1))
    finally:
        kill_session(child)
    ended_well = alone and child.returncode == 0
    assert ended_well or child.returncode == -signal.SIGKILL, "the run ended before it was killed"
    entries = place.log(child.pid)
    started = [each["stage"] for each in entries if each["message"] == "stage started"]
    ended = [each["stage"] for each in entries if each["message"] == "stage ended"]
    return started[-1] if started[-1] not in ended else f"after {started[-1]}"


def _wait_for(
    place: Place, child: subprocess.Popen[bytes], stage: str, *, watch: Callable[[], object]
) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        watch()
        if any(each.get("stage") == stage for each in place.log(child.pid)):
            return
        assert child.poll() is None, f"the run ended with {child.returncode} before {stage}"
        assert time.monotonic() < limit, f"{stage} did not begin"
        time.sleep(0.1)


def kill_session(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL the child, its JVM and its Python workers, which are a process group apart."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    workers = [each for each in psutil.process_iter() if _session(each.pid) == child.pid]
    for each in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    child.wait()
    psutil.wait_procs(workers, timeout=30)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@dataclass(frozen=True)
class Publication:
    """Everything that a reader can see of a publication.

    The bytes of the edge store and of the exported JSON lines; the rows of exported Parquet, whose
    footers name a column's encodings in an order that each JVM draws anew.
    """

    manifest: dict[str, Any]
    edge: dict[str, bytes]
    lines: dict[str, bytes]
    tables: dict[str, pa.Table]


def publication(home: Path, publication_id: str) -> Publication:
    """Read a publication, verifying each of its checksums."""
    folder = store_folder(home, publication_id)
    verify_store(folder)
    manifest = sealed_manifest(home, publication_id)
    assert manifest is not None
    exports = export_folder(home, publication_id)
    names = verify_exports(exports)["files"]
    return Publication(
        manifest=manifest,
        edge={path.name: path.read_bytes() for path in folder.iterdir()},
        lines={name: (exports / name).read_bytes() for name in names if name.endswith(".jsonl")},
        tables={name: _rows(exports / name) for name in names if name.endswith(".parquet")},
    )


def _rows(path: Path) -> pa.Table:
    return pq.ParquetFile(path).read()


def read_as_a_user(home: Path) -> str | None:
    """Answer from the live store as a service would, and return the publication that answered."""
    live = read_current(home)
    if live is None:
        return None
    with EdgeStore(store_folder(home, live)) as store:
        found = look_up(store.get, user_key="nobody", region=None)
        assert found is not None
        body = json.loads(store.answer(*found, 10))
    assert body["publication"] == live
    assert body["items"]
    return live


def tables(home: Path) -> dict[str, list[str]]:
    """Rows of the tables that tell what was taken in, decided and published, in sorted order."""
    content = {}
    for name, left_out in LEDGERS.items():
        rows = read_rows(home, name)
        kept = ({key: row[key] for key in row if key not in left_out} for row in rows)
        content[name] = sorted(json.dumps(row, default=str) for row in kept)
    return content


def promotions(home: Path) -> list[tuple[str, str]]:
    """What the audit log, whose chain must be whole, says went live, in order."""
    audit.verify(home)
    return [(each["action"], each["subject"]) for each in audit.records(home)]


def leftovers(home: Path) -> list[str]:
    """Temporary files and folders among what readers are given."""
    hidden = [*(home / "edge").glob(".*"), *(home / "exports").glob(".*"), *home.glob(".mlflow*")]
    return sorted(path.name for path in hidden)
