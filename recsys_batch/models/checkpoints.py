"""States of a fit of ALS as files: a stage that was killed goes on behind the last one."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
from scipy import sparse

from recsys_batch.models.als import AlsState
from recsys_batch.models.sources import AlsSettings

UNFINISHED = "als-"  # how the names begin of what lies in a run's folder until the stage is done
# What reading a file that is damaged or cut off can raise.
_UNREADABLE = (OSError, ValueError, EOFError, LookupError, RuntimeError, zipfile.BadZipFile)


def checkpoint_path(
    folder: Path, engine: str, als: AlsSettings, weights: sparse.csr_matrix
) -> Path:
    """The file of one fit, which no other takes: of this engine, settings and interactions."""
    digest = hashlib.sha256(f"{als.model_dump_json()} {weights.shape}".encode())
    for part in (weights.indptr, weights.indices, weights.data):
        digest.update(np.ascontiguousarray(part).data)
    return folder / f"{UNFINISHED}{engine}-{digest.hexdigest()[:16]}.npz"


def write_checkpoint(path: Path, state: AlsState) -> None:
    """Write a state, whose factors are not copied for it; the one before stays until it is whole.

    Raises
    ------
    OSError
        It cannot be written; nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".building")
    try:
        with aside.open("wb") as file:
            np.savez(file, sweeps=state.sweeps, users=state.users, items=state.items)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def read_checkpoint(path: Path, als: AlsSettings, shape: tuple[int, int]) -> AlsState | None:
    """The state in a file; None where it cannot be read or is none of such a fit.

    Parameters
    ----------
    als, shape
        Settings of the fit, and users and items of its matrix.
    """
    try:
        with np.load(path) as found:
            state = AlsState(int(found["sweeps"]), found["users"], found["items"])
    except _UNREADABLE:
        return None
    both = (state.users, state.items)
    fits = [each.shape for each in both] == [(rows, als.factors) for rows in shape]
    single = all(each.dtype == np.float32 for each in both)
    return state if fits and single and 0 < state.sweeps <= als.iterations else None
