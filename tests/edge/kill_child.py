"""Do an act, and die by SIGKILL at its Nth step: a line of the code under test, by caller.

Arguments: act, home, step (0 to finish; the number of steps is then printed), users.
"""

import os
import signal
import sys
from pathlib import Path

from recsys_batch.edge.retention import collect
from recsys_batch.edge.rollback import promote, rollback

from .samples import AT, build

ROOMS = ("recsys_batch/edge/", "recsys_batch/publish/")


def steps_until(last: int) -> set:
    seen = set()

    def trace(frame, event, _):
        name = frame.f_code.co_filename
        if not any(room in name for room in ROOMS):
            return None
        if event == "line":
            seen.add((name, frame.f_lineno, frame.f_back.f_lineno if frame.f_back else 0))
            if len(seen) == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    return seen


act, home, step, users = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
seen = steps_until(step)
if act == "publish":
    build(home, "new", users=users)
    promote(home, "new", actor="tester", at=AT)
    collect(home, 2)
else:
    rollback(home, to="old", actor="tester", at=AT)
sys.settrace(None)
sys.stdout.write(f"{len(seen)}\n")
