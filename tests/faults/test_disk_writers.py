"""What writes without Spark, on a disk that is full: done, or not done and said in one sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from recsys_batch.edge.manifest import verify_store
from recsys_batch.edge.rollback import promote, rollback
from recsys_batch.edge.store import build_store, store_folder
from recsys_batch.errors import RecsysError
from recsys_batch.lake.ledger import read_rows, replace_rows
from recsys_batch.lake.logs import LOG, log_file
from recsys_batch.lake.store import write_lock
from recsys_batch.lake.vacuum import vacuum
from recsys_batch.models.registry import Registry, default_tracking_uri
from recsys_batch.publish import audit
from recsys_batch.publish.pointer import read_current

from .disks import disk_with, files_of_at_most, small_disk
from .soak import TIMES

pytestmark = pytest.mark.slow

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
PAGE = 4096
# Pages left, or in a file.
LEFT = (0, 1, 4, 16) if TIMES == 1 else tuple(range(8 * TIMES))
RUN = {
    "run_id": "a",
    "as_of": NOW.date(),
    "horizon": 1,
    "events_digest": "e",
    "events": 1,
    "config_digest": "c",
    "code_version": "v",
}


def rows(home: Path, *names: str) -> None:
    replace_rows(home, "runs", [{**RUN, "run_id": name} for name in names])


def store(home: Path, publication_id: str) -> None:
    entries = ((f"k{number:05}", b"x" * 200) for number in range(1000))
    folder = store_folder(home, publication_id)
    build_store(folder, entries, as_of="2026-01-01", details={})


def lines(home: Path) -> None:
    with write_lock(home), log_file(home):
        for _ in range(200):
            LOG.info("a line of some length " * 5)


def track(home: Path, run_id: str) -> None:
    uri = default_tracking_uri(home)
    registry = Registry(tracking_uri=uri, artifacts=home / "mlflow", experiment="full")
    registry.log_run(run_id=run_id, params={"a": 1}, metrics={"b": 1.0}, tags={})


def done(work: Callable[[], object]) -> bool:
    """Whether it was done; an error must be one of ours."""
    try:
        work()
    except RecsysError:
        return False
    return True


@pytest.fixture
def starved(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], object]]]:
    """A home on a disk of its own, and what makes that full; else a limit on the size of files."""
    disk = tmp_path / "disk"
    with small_disk(disk, 30) as mounted:
        yield disk / "shop", partial(disk_with, disk=disk) if mounted else files_of_at_most


def test_what_a_full_disk_leaves_undone_is_said_and_is_as_it_was(starved, capfd) -> None:
    home, left_with = starved
    lines(home)
    rows(home, "a")
    track(home, "before")
    for name in ("one", "two"):
        store(home, name)
        promote(home, name, actor="test", at=NOW)
    capfd.readouterr()
    outcomes = []
    for pages in LEFT:
        live = read_current(home)
        with left_with(pages * PAGE):
            lines(home)
            found = {
                "rows": done(partial(rows, home, "a", f"b{pages}")),
                "store": done(partial(store, home, f"three-{pages}")),
                "track": done(partial(track, home, f"run-{pages}")),
                "rollback": done(partial(rollback, home, to=None, actor="test", at=NOW)),
            }
            done(partial(vacuum, home, keep_hours=0, now=NOW))
            names = {row["run_id"] for row in read_rows(home, "runs")}
            assert (f"b{pages}" in names) == found["rows"]
            assert (read_current(home) != live) == found["rollback"]
            assert store_folder(home, f"three-{pages}").exists() == found["store"]
            audit.verify(home)
            for name in ("one", "two"):
                verify_store(store_folder(home, name))
        outcomes.append(found)
    assert not any(outcomes[0].values())
    assert "Traceback" not in "".join(capfd.readouterr())

    rows(home, "c")
    store(home, "four")
    track(home, "after")
    promote(home, "four", actor="test", at=NOW)
    assert read_current(home) == "four"
    assert vacuum(home, keep_hours=0, now=NOW)
    assert [row["run_id"] for row in read_rows(home, "runs")] == ["c"]
    assert sorted(path.name for path in (home / "edge").glob(".*")) == []
