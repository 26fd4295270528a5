"""Sources, blend and re-ranker as one model: fitted on interactions, chosen on validation.

Part of every user's interactions is cut off. The sources learn from the rest; the blend, and
whether the re-ranker is used at all, are chosen by what was cut off. Then the sources learn from
all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from recsys_batch.models.sources import AnySource, FittedSource, SourceData
from recsys_batch.ranking.blend import Blend, BlendSettings, FittedBlend, fit_blend
from recsys_batch.ranking.candidates import Candidates, Gatherer, pooled
from recsys_batch.ranking.cuts import Given, Say, fit_sources, validate_cut
from recsys_batch.ranking.examples import Lesson
from recsys_batch.ranking.features import History, make_history
from recsys_batch.ranking.reranker import Reranker, RerankerSettings
from recsys_batch.ranking.trial import Trial, try_rerankers
from recsys_batch.ranking.validation import ValidationSettings, best_places, wanted

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

_BLOCK_USERS = 2048


class StackSettings(BaseModel):
    """What the model is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sources: dict[str, AnySource] = Field(min_length=1, description="Settings of each, by name.")
    per_source: int = Field(150, ge=1, description="Candidates a source may bring for a user.")
    validation: ValidationSettings = Field(
        default_factory=ValidationSettings, description="What is cut off to choose by."
    )
    blend: BlendSettings = Field(default_factory=BlendSettings, description="Search for weights.")
    reranker: RerankerSettings | None = Field(
        None, description="Trees tried over the blend, of both kinds; null tries none."
    )


@dataclass(frozen=True, eq=False)
class Stack:
    """A fitted model.

    Attributes
    ----------
    sources
        Fitted on all interactions, by name.
    fitted_blend
        Weights, and what validation said of them.
    trial
        How the re-rankers did against the blend; None where none was tried.
    reranker
        The trees that won, if any did.
    history
        Of all interactions.
    """

    sources: dict[str, FittedSource]
    fitted_blend: FittedBlend
    trial: Trial | None
    reranker: Reranker | None
    history: History
    per_source: int

    @property
    def blend(self) -> Blend:
        """The blend that orders the candidates, or that the trees begin from."""
        return self.fitted_blend.blend

    @cached_property
    def _gatherer(self) -> Gatherer:
        return Gatherer(self.sources, per_source=self.per_source)

    def score(
        self,
        rows: npt.NDArray[np.integer],
        *,
        exclude: sparse.csr_matrix | None = None,
        given: Ints | None = None,
    ) -> tuple[Candidates, Floats]:
        """Candidates of some users and their scores: the sum of parts and correction.

        Parameters
        ----------
        exclude
            ``len(rows) x items``; an entry keeps the item out.
        given
            The items to score, ascending in each row, instead of the sources' own.
        """
        found = self._gatherer.candidates(rows, exclude=exclude, given=given)
        if self.reranker is None:
            return found, self.blend.scores(found)
        return found, self.reranker.scores(found, rows, self.history)

    def rank(
        self, rows: npt.NDArray[np.integer], *, n: int, exclude: sparse.csr_matrix | None = None
    ) -> Ints:
        """Item rows, ``len(rows) x n``, by score, then item row; -1 where a list ends."""
        lists = np.full((len(rows), n), -1, dtype=np.int32)
        for first in range(0, len(rows), _BLOCK_USERS):
            users = slice(first, first + _BLOCK_USERS)
            found, scores = self.score(
                rows[users], exclude=None if exclude is None else exclude[users]
            )
            top = best_places(scores, n)
            items = np.take_along_axis(found.items, top, axis=1)
            items[~np.isfinite(np.take_along_axis(scores, top, axis=1))] = -1
            lists[users, : items.shape[1]] = items
        return lists


def fit_stack(
    data: SourceData,
    settings: StackSettings,
    *,
    given: Given | None = None,
    threads: int = 1,
    say: Say = lambda _line: None,
) -> Stack:
    """Choose on validation, then fit on all interactions.

    Parameters
    ----------
    given
        Makes the items that validation ranks for some user rows, ascending, from what was kept
        and what was cut off; None ranks the sources' own candidates, as production does.
    threads
        Threads of BLAS.
    say
        Told what was done.

    Raises
    ------
    ContractError
        The validation holds nothing to choose by.
    InputDataError
        A source lacks what it needs.
    """
    cuts = [
        validate_cut(
            data,
            settings.sources,
            settings.validation,
            number,
            per_source=settings.per_source,
            given=given,
            threads=threads,
            say=say,
        )
        for number in range(settings.validation.cuts)
    ]
    found = pooled([each.candidates for each in cuts], sources=tuple(settings.sources))
    truth = sparse.csr_matrix(sparse.vstack([each.truth for each in cuts]))
    fitted = fit_blend(found, wanted(found.items, truth), settings.blend)
    say(f"blend {dict(zip(found.sources, fitted.blend.weights, strict=True))}")
    say(f"validation {fitted.validation:.4f}, alone {fitted.singles}")
    trial, reranker = None, None
    if settings.reranker is not None:
        one = cuts[0]
        targets = wanted(one.candidates.items, one.truth)
        lesson = Lesson(one.candidates, targets, one.rows, make_history(one.kept))
        verdict = try_rerankers(fitted.blend, [lesson], settings.reranker)
        trial, reranker = verdict.trial, verdict.reranker
        say(f"re-rankers over blend: {trial}")
    sources = fit_sources(data, settings.sources, threads=threads, say=say)
    history = make_history(data.weights)
    return Stack(sources, fitted, trial, reranker, history, settings.per_source)
