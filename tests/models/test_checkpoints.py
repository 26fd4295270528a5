"""Fits that are stopped and go on: to the same bits, from what is whole and their own alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from faults.disks import files_of_at_most
from scipy import sparse

from recsys_batch.config import ModelSettings
from recsys_batch.models.als import AlsState, als_memory
from recsys_batch.models.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from recsys_batch.models.engines import AlsEngine
from recsys_batch.models.sources import AlsSettings, FactorScores, SourceData

ROOT = Path(__file__).resolve().parents[2]
ALS = AlsSettings(factors=4, iterations=6)
# Arguments: folder, sweeps.
PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
from scipy import sparse
from recsys_batch.config import ModelSettings
from recsys_batch.models.engines import AlsEngine
from recsys_batch.models.sources import AlsSettings, SourceData
folder, said, told = Path(sys.argv[1]), [], []
weights = sparse.random(2000, 500, density=0.02, format="csr", dtype=np.float32, rng=1)
weights.sort_indices()
fit = AlsEngine(
    ModelSettings(), None, folder / "run", said.append, lambda *done: told.append(done), apart=0
)
found = fit(AlsSettings(factors=16, iterations=int(sys.argv[2])), SourceData(weights))
np.savez(folder / "found.npz", users=found.users, items=found.items)
(folder / "told.json").write_text(json.dumps([said, told]))
"""


class Stopped(Exception):  # noqa: N818  # is no error
    """What ends a fit in its midst."""


class Told(list):
    """Lines that were said, and sweeps done in `sweeps`; the fit is stopped in one of them."""

    def __init__(self, stop: int | None = None) -> None:
        self.sweeps: list[int] = []
        self.stop = stop

    def progress(self, done: int, _all: int) -> None:
        self.sweeps.append(done)
        if done == self.stop:
            raise Stopped


@pytest.fixture(scope="module")
def data() -> SourceData:
    return made(1)


def made(seed: int) -> SourceData:
    weights = sparse.random(40, 30, density=0.2, format="csr", dtype=np.float32, rng=seed)
    weights.sort_indices()
    return SourceData(weights)


def engine(folder: Path, told: Told, **changed) -> AlsEngine:
    settings = {"say": told.append, "progress": told.progress, "apart": 0.0, **changed}
    return AlsEngine(ModelSettings(), None, folder, **settings)


def stop(folder: Path, data: SourceData, *, behind: int, als: AlsSettings = ALS) -> Path:
    """Stop a fit in the sweep that follows; the only checkpoint."""
    before = set(folder.glob("*"))
    with pytest.raises(Stopped):
        engine(folder, Told(stop=behind + 1))(als, data)
    (made,) = set(folder.iterdir()) - before
    return made


def bits(found: FactorScores) -> tuple[bytes, bytes]:
    return found.users.tobytes(), found.items.tobytes()


@pytest.mark.parametrize("behind", range(1, ALS.iterations))
def test_a_stopped_fit_goes_on_behind_its_last_sweep_and_says_so(data, tmp_path, behind):
    stop(tmp_path, data, behind=behind)
    told = Told()
    found = engine(tmp_path, told)(ALS, data)
    assert bits(found) == bits(ALS.fit(data))
    assert told == [f"als: goes on behind sweep {behind} of 6"]
    assert told.sweeps == list(range(behind + 1, 7))


def test_the_part_that_was_fitted_before_a_stop_in_the_next_is_not_fitted_again(data, tmp_path):
    later = made(2)
    engine(tmp_path, Told())(ALS, data)
    stop(tmp_path, later, behind=2)
    first, second = Told(), Told()
    assert bits(engine(tmp_path, first)(ALS, data)) == bits(ALS.fit(data))
    assert (first, first.sweeps) == (["als: fitted before this stage was stopped"], [])
    assert bits(engine(tmp_path, second)(ALS, later)) == bits(ALS.fit(later))
    assert second.sweeps == [3, 4, 5, 6]


def test_a_fit_that_goes_on_is_kept_when_it_is_whole_however_little_was_left(data, tmp_path):
    """As the sweeps before were worth keeping, all of them are."""
    path = stop(tmp_path, data, behind=4)
    engine(tmp_path, Told(), apart=3600.0)(ALS, data)
    state = read_checkpoint(path, ALS, data.weights.shape)
    assert state is not None
    assert state.sweeps == 6


def test_no_other_engine_settings_or_interactions_take_a_checkpoint(data, tmp_path):
    heavier = SourceData(data.weights * np.float32(2))
    others = [
        (ALS, heavier),
        (ALS, made(2)),
        *((ALS.model_copy(update=each), data) for each in ({"seed": 1}, {"iterations": 5})),
    ]
    stop(tmp_path, data, behind=3)
    for als, learnt in others:
        told = Told()
        found = engine(tmp_path, told)(als, learnt)
        assert bits(found) == bits(als.fit(learnt))
        assert (told, told.sweeps[0]) == ([], 1)
    paths = {checkpoint_path(tmp_path, each, ALS, data.weights) for each in ("local", "mllib")}
    assert len(paths) == 2


def test_checkpoints_are_as_far_apart_as_was_asked_for(data, tmp_path):
    apart, seen = 0.2, []

    def progress(_done: int, _all: int) -> None:
        seen.extend(path.stat().st_mtime for path in tmp_path.iterdir())
        time.sleep(0.05)

    began = time.time()
    als = ALS.model_copy(update={"iterations": 16})
    engine(tmp_path, Told(), apart=apart, progress=progress)(als, data)
    written = sorted(set(seen))
    assert written
    assert (np.diff([began, *written]) > 0.9 * apart).all()


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_what_is_left_of_a_damaged_checkpoint_is_passed_over_and_said_so(data, tmp_path, left):
    path = stop(tmp_path, data, behind=3)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole))])
    told = Told()
    found = engine(tmp_path, told)(ALS, data)
    assert bits(found) == bits(ALS.fit(data))
    assert told == [f"als: {path} is damaged: fitted from the beginning"]
    assert told.sweeps == [1, 2, 3, 4, 5, 6]


def test_wherever_a_checkpoint_is_damaged_it_is_noticed_or_as_it_was(tmp_path):
    als = AlsSettings(factors=2, iterations=6)
    state = AlsState(3, *(np.full((rows, 2), rows, dtype=np.float32) for rows in (5, 4)))
    path = tmp_path / "one.npz"
    write_checkpoint(path, state)
    whole = path.read_bytes()
    damaged = [whole[:end] for end in range(len(whole))]
    for place in range(len(whole)):
        for mask in (1, 8, 255):  # 8 makes it compressed
            damaged.append(bytearray(whole))
            damaged[-1][place] ^= mask
    noticed = 0
    for each in damaged:
        path.write_bytes(each)
        found = read_checkpoint(path, als, (5, 4))
        noticed += found is None
        assert found is None or (found.sweeps, found.users.tobytes(), found.items.tobytes()) == (
            (3, state.users.tobytes(), state.items.tobytes())
        )
    assert noticed > len(whole)


@pytest.mark.parametrize(
    "state",
    [
        AlsState(3, np.ones((6, 2), dtype=np.float32), np.ones((4, 2), dtype=np.float32)),
        AlsState(3, np.ones((5, 3), dtype=np.float32), np.ones((4, 3), dtype=np.float32)),
        AlsState(3, np.ones((5, 2)), np.ones((4, 2))),
        AlsState(7, np.ones((5, 2), dtype=np.float32), np.ones((4, 2), dtype=np.float32)),
        AlsState(0, np.ones((5, 2), dtype=np.float32), np.ones((4, 2), dtype=np.float32)),
    ],
    ids=["rows", "factors", "precision", "too many sweeps", "none"],
)
def test_what_is_no_state_of_such_a_fit_is_passed_over(tmp_path, state):
    write_checkpoint(tmp_path / "one.npz", state)
    als = AlsSettings(factors=2, iterations=6)
    assert read_checkpoint(tmp_path / "one.npz", als, (5, 4)) is None


def test_a_disk_that_is_full_is_told_and_leaves_the_checkpoint_before(data, tmp_path):
    path = stop(tmp_path, data, behind=3)
    before = path.read_bytes()
    with files_of_at_most(600), pytest.raises(OSError, match="File too large"):
        engine(tmp_path, Told())(ALS, data)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before
    told = Told()
    assert bits(engine(tmp_path, told)(ALS, data)) == bits(ALS.fit(data))
    assert told.sweeps == [4, 5, 6]


def test_a_fit_with_checkpoints_takes_no_more_memory_than_it_was_said_to(tmp_path):
    weights = sparse.random(20_000, 3_000, density=0.007, format="csr", dtype=np.float32, rng=1)
    data, als = SourceData(weights), AlsSettings(factors=64, iterations=2)
    need = als_memory(weights, factors=als.factors)
    for told in (Told(stop=2), Told()):
        tracemalloc.start()
        try:
            engine(tmp_path, told)(als, data)
        except Stopped:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert 0.6 * need < peak < 1.02 * need
    assert told.sweeps == [2]


def start(folder: Path, sweeps: int) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", PROGRAM, str(folder), str(sweeps)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.PIPE, text=True)


def ended(child: subprocess.Popen[str], folder: Path) -> tuple[list[bytes], list[str], list[int]]:
    """Factors, lines and sweeps of a child that must end well."""
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors
    said, told = json.loads((folder / "told.json").read_text())
    with np.load(folder / "found.npz") as found:
        factors = [found[name].tobytes() for name in ("users", "items")]
    return factors, said, [done for done, _ in told]


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with_by_another_to_the_same_bits(tmp_path):
    sweeps = 300
    whole, said, told = ended(start(tmp_path / "whole", sweeps), tmp_path / "whole")
    assert (said, told) == ([], list(range(1, sweeps + 1)))
    folder = tmp_path / "killed"
    child = start(folder, sweeps)
    while child.poll() is None and not list(folder.glob("run/als-local-*.npz")):
        time.sleep(0.001)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL, "it ended before it was killed"
    found, said, told = ended(start(folder, sweeps), folder)
    assert found == whole
    assert said == [f"als: goes on behind sweep {told[0] - 1} of {sweeps}"]
    assert told[0] > 1
    assert told == list(range(told[0], sweeps + 1))
