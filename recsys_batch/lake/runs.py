"""Runs: what a day's run reads and how it is made, which together give it its id."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from recsys_batch import columns as c
from recsys_batch.errors import LakeError
from recsys_batch.lake.ledger import read_rows, replace_rows


@dataclass(frozen=True)
class Run:
    """Identity of a run. Its id is also its publication's.

    Attributes
    ----------
    run_id
        ``{as_of}-{12 hex digits}`` of the other fields, the horizon excepted: batches that bring
        nothing up to the day change nothing.
    as_of
        The logical day (UTC).
    horizon
        Last batch that it reads.
    events_digest, events
        Digest, order-free, of the events, catalogue and profile rows that it sees and of the
        refusals of consent that it heeds; number of the events.
    config_digest, code_version
        Settings and code that it runs with.
    """

    run_id: str
    as_of: dt.date
    horizon: int
    events_digest: str
    events: int
    config_digest: str
    code_version: str


def make_run(
    *,
    dataset: str,
    as_of: dt.date,
    horizon: int,
    events_digest: str,
    events: int,
    config_digest: str,
    code_version: str,
) -> Run:
    """Name a run by its content."""
    text = "\n".join((dataset, as_of.isoformat(), events_digest, config_digest, code_version))
    run_id = f"{as_of.isoformat()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Run(run_id, as_of, horizon, events_digest, events, config_digest, code_version)


def store_run(home: Path, run: Run) -> None:
    """Record a run; a repeat changes nothing."""
    replace_rows(home, "runs", [asdict(run)], run_id=run.run_id, horizon=run.horizon)


def was_opened(home: Path, run: Run) -> bool:
    """Whether a run is recorded, which is when its events have been checked."""
    return bool(read_rows(home, "runs", run_id=run.run_id, horizon=run.horizon))


def was_checked(home: Path, run: Run, table: str) -> bool:
    """Whether a run's table was checked, which is when it is whole."""
    return bool(read_rows(home, "validations", run_id=run.run_id, table=table))


def run_before(home: Path, run: Run, *, checked: str | None = None) -> Run | None:
    """The latest other run of these settings and this code that saw no more than `run` does.

    Parameters
    ----------
    checked
        Only of runs whose table of this name was checked, which is when it is whole.
    """
    rows = read_rows(home, "runs", config_digest=run.config_digest, code_version=run.code_version)
    if checked is not None:
        whole = {row[c.RUN_ID] for row in read_rows(home, "validations", table=checked)}
        rows = [row for row in rows if row[c.RUN_ID] in whole]
    earlier = [
        Run(**row)
        for row in rows
        if (row[c.AS_OF], row[c.HORIZON]) != (run.as_of, run.horizon)
        and row[c.AS_OF] <= run.as_of
        and row[c.HORIZON] <= run.horizon
    ]
    return max(earlier, key=lambda each: (each.as_of, each.horizon), default=None)


def checked_horizon(home: Path, run: Run | None = None) -> int:
    """The last batch that a recorded run of these settings and this code saw; 0 where none did.

    Parameters
    ----------
    run
        Its settings and code are meant; None: of any.
    """
    like = (
        {}
        if run is None
        else {"config_digest": run.config_digest, "code_version": run.code_version}
    )
    return max((row[c.HORIZON] for row in read_rows(home, "runs", **like)), default=0)


def open_run(
    home: Path,
    *,
    as_of: dt.date,
    config_digest: str,
    code_version: str,
    horizon: int | None = None,
) -> Run:
    """The run of a day that `validate` opened last with these settings and this code.

    Parameters
    ----------
    horizon
        Only of runs that read no later batch; None: of all.

    Raises
    ------
    LakeError
        There is none.
    """
    rows = read_rows(
        home, "runs", as_of=as_of, config_digest=config_digest, code_version=code_version
    )
    rows = [row for row in rows if horizon is None or row[c.HORIZON] <= horizon]
    if not rows:
        raise LakeError(
            f"no run of {as_of} was opened with these settings and this code",
            where=str(home),
            fix="run `recsys-batch validate` for that day first, or the whole day with `run`",
        )
    return Run(**max(rows, key=lambda row: row[c.HORIZON]))
