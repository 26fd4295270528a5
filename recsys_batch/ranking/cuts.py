"""One validation: what is cut off, and the candidates of sources that learnt from the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys_batch.models.sources import FittedSource, SourceData, SourceSettings
from recsys_batch.ranking.candidates import Candidates, gather
from recsys_batch.ranking.validation import ValidationSettings, cut_validation

Say = Callable[[str], None]
Given = Callable[[SourceData, sparse.csr_matrix, npt.NDArray[np.integer]], npt.NDArray[np.int32]]


def fit_sources(
    data: SourceData, sources: Mapping[str, SourceSettings], *, threads: int, say: Say
) -> dict[str, FittedSource]:
    """Fit every source on the same interactions."""
    fitted: dict[str, FittedSource] = {}
    for name, source in sources.items():
        fitted[name] = source.fit(data, threads=threads)
        say(f"fitted {name} on {data.weights.nnz:,} interactions")
    return fitted


@dataclass(frozen=True, eq=False)
class Cut:
    """Candidates of users, made from what was kept, beside what was cut off.

    Attributes
    ----------
    candidates
        Of the sources fitted on `kept`.
    truth
        What was cut off: users of the cut x items.
    rows
        User row of each of them.
    kept
        All users x items: what the sources learnt from.
    """

    candidates: Candidates
    truth: sparse.csr_matrix
    rows: npt.NDArray[np.intp]
    kept: sparse.csr_matrix


def validate_cut(
    data: SourceData,
    sources: Mapping[str, SourceSettings],
    settings: ValidationSettings,
    number: int,
    *,
    per_source: int,
    given: Given | None,
    threads: int,
    say: Say,
) -> Cut:
    """Cut off interactions, fit the sources on the rest, and gather candidates of the users.

    Parameters
    ----------
    number
        Which of the cuts: added to the seed.
    given
        Makes the items to rank for some user rows, ascending, from what was kept and what was
        cut off; None takes the sources' own candidates.
    """
    seed = settings.seed + number
    kept, cut = cut_validation(data, settings.model_copy(update={"seed": seed}))
    rows = np.flatnonzero(np.diff(cut.indptr))
    if len(rows) > settings.users:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(rows, settings.users, replace=False))
    candidates = gather(
        fit_sources(kept, sources, threads=threads, say=say),
        rows,
        per_source=per_source,
        exclude=kept.weights[rows],
        given=None if given is None else given(kept, cut, rows),
        threads=threads,
    )
    return Cut(candidates, sparse.csr_matrix(cut[rows]), rows, kept.weights)
