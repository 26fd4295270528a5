"""SIGKILL of a real child while it builds, promotes, collects or rolls back."""

import itertools
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from recsys_batch.edge.manifest import verify_store
from recsys_batch.edge.retention import kept_publications
from recsys_batch.edge.rollback import promote
from recsys_batch.edge.store import store_folder
from recsys_batch.publish import audit
from recsys_batch.publish.pointer import POINTER, read_current

from .samples import AT, build, child

SEED = 15
USERS = 30


def run(act, home, step=0, users=USERS):
    process = child("kill_child", act, home, step, users, stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def start(act, home):
    build(home, "old")
    promote(home, "old", actor="tester", at=AT)
    if act == "rollback":
        build(home, "new", users=USERS)
        promote(home, "new", actor="tester", at=AT)


def finished(home):
    """What an undisturbed run leaves, byte for byte; the chain's hashes hold as times are fixed."""
    paths = [path for path in home.rglob("*") if path.is_file() and path.name != ".CURRENT.lock"]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def check_old_or_new(home):
    live = read_current(home)
    assert live in ("old", "new")
    verify_store(store_folder(home, live))
    for name in kept_publications(home):
        verify_store(store_folder(home, name))
    audit.verify(home)
    return live


def one_in_each_slice(steps, moments):
    """Random steps spread over the whole act, its last step among them."""
    draw = random.Random(SEED)
    edges = [1 + (steps - 1) * each // moments for each in range(moments + 1)]
    return [*(draw.randrange(a, b) for a, b in itertools.pairwise(edges)), steps]


@pytest.mark.parametrize(("act", "moments"), [("publish", 30), ("rollback", 12)])
def test_a_kill_at_any_step_leaves_old_or_new_and_a_repeat_finishes(tmp_path, act, moments):
    start(act, tmp_path / "start")
    shutil.copytree(tmp_path / "start", tmp_path / "whole")
    status, steps = run(act, tmp_path / "whole")
    assert status == 0
    expected = finished(tmp_path / "whole")
    chosen = one_in_each_slice(int(steps), moments)
    sys.stdout.write(f"seed {SEED}, kills at steps {chosen} of {steps}")
    lives = set()
    for step in chosen:
        home = tmp_path / str(step)
        shutil.copytree(tmp_path / "start", home)
        assert run(act, home, step)[0] == -signal.SIGKILL
        lives.add(check_old_or_new(home))
        assert run(act, home)[0] == 0
        assert finished(home) == expected, f"after a kill at step {step}"
        shutil.rmtree(home)
    assert lives == {"old", "new"}  # the kills fell before and after the move


def test_a_kill_at_any_time_leaves_old_or_new_and_a_repeat_finishes(tmp_path):
    """Kills from outside also fall inside LMDB and the system's calls."""
    users = 2000
    start("publish", tmp_path / "start")
    shutil.copytree(tmp_path / "start", tmp_path / "whole")
    began = time.perf_counter()
    assert run("publish", tmp_path / "whole", users=users)[0] == 0
    wall = time.perf_counter() - began
    expected = finished(tmp_path / "whole")
    random_times = random.Random(SEED)
    for number in range(6):
        home = tmp_path / str(number)
        shutil.copytree(tmp_path / "start", home)
        process = child("kill_child", "publish", home, 0, users, stdout=subprocess.DEVNULL)
        time.sleep(wall * random_times.uniform(0.3, 1.0))
        process.kill()
        process.wait()
        check_old_or_new(home)
        assert run("publish", home, users=users)[0] == 0
        assert finished(home) == expected
        assert (home / POINTER).read_bytes() == b'{"current": "new", "previous": "old"}\n'
