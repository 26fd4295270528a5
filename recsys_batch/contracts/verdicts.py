"""A check of a run's table whose verdict stays in the lake, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recsys_batch import columns as c
from recsys_batch.contracts.expectations import validate
from recsys_batch.lake.ledger import replace_rows

if TYPE_CHECKING:
    from recsys_batch.contracts.checks import Frame, Suite


def require(home: Path, frame: Frame, suite: Suite, *, table: str, run_id: str) -> None:
    """Check a frame, store the verdict and its page, and stop the run on a critical failure.

    Parameters
    ----------
    home
        Folder of the dataset in the lake.
    table
        What the verdict is stored under; a repeat replaces it.

    Raises
    ------
    ValidationFailedError
        A critical expectation failed.
    """
    verdict = validate(frame, suite, name=table, run_id=run_id, docs=home / "data_docs")
    replace_rows(home, "validations", verdict.rows, **{c.RUN_ID: run_id, "table": table})
    verdict.raise_if_failed()
